"""Code that the user names as MODULE:NAME, looked for in the current folder and where Python looks."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resunit.errors import UsageError


def import_object(target: str, example: str) -> object:
    """Return the object that `target`, MODULE:NAME, names; its module is imported. Messages show the `example`.

    Raises:
        UsageError: the name is not MODULE:NAME, does not exist, or does not import.
    """
    module_name, _, name = target.partition(":")
    if not module_name or not name:
        raise UsageError(f"{target!r} is not {example}")
    if "/" in module_name or module_name.endswith(".py"):
        file = Path(module_name)
        raise UsageError(
            f"{target!r} names a file, and Python imports a module by its name: in the folder of the file it is "
            f"{file.name.removesuffix('.py')}:{name}; elsewhere name that folder in PYTHONPATH"
        )
    try:
        with _current_folder_importable():
            module = importlib.import_module(module_name)
    # The user's code may raise anything, and a script may call sys.exit.
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and f"{module_name}.".startswith(f"{error.name}."):
            raise UsageError(
                f"{target}: {error} here or where Python looks; give the command in the folder of the module, or "
                "name that folder in PYTHONPATH"
            ) from error
        raise failure(f"importing {module_name}", error) from error
    if not hasattr(module, name):
        raise UsageError(f"{target}: {module_name} has no {name!r}")
    return getattr(module, name)


def failure(action: str, error: BaseException) -> UsageError:
    """Return the error for code of the user's that raised `error` during `action`."""
    reason = " ".join(str(error).split())
    return UsageError(f"{action} fails: {type(error).__name__}: {reason} (--debug shows where)")


@contextmanager
def _current_folder_importable() -> Iterator[None]:
    """Let modules of the current folder be imported, as `python -m` does, and leave sys.path as it was."""
    before = list(sys.path)
    sys.path.insert(0, str(Path.cwd()))
    try:
        yield
    finally:
        sys.path[:] = before
