"""What users name as MODULE:NAME: their own code, found where they stand and where Python looks."""

import importlib
import sys
from pathlib import Path

from resunit.errors import UsageError


def imported(target: str, example: str) -> object:
    """What `target`, MODULE:NAME, names. Raises UsageError for what is not there or does not import."""
    module_name, _, name = target.partition(":")
    if not module_name or not name:
        raise UsageError(f"{target!r} is not {example}")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # as `python -m` does
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever the user's code raises
        if isinstance(error, ModuleNotFoundError) and f"{module_name}.".startswith(f"{error.name}."):
            raise UsageError(f"{target}: {error}; it is looked for here and where Python looks") from error
        raise fails(f"importing {module_name}", error) from error
    if not hasattr(module, name):
        raise UsageError(f"{target}: {module_name} has no {name!r}")
    return getattr(module, name)


def fails(what: str, error: Exception) -> UsageError:
    """The error for code of the user's that raises."""
    reason = " ".join(str(error).split())
    return UsageError(f"{what} fails: {type(error).__name__}: {reason} (--debug shows where)")
