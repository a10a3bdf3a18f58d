"""Libraries that only some parts of resunit need: each belongs to an extra, and is loaded where it is used."""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from resunit.errors import UsageError

# With this environment variable, OpenVINO and NNCF send no statistics of their use to a server.
WITHOUT_STATISTICS = "CI", "true"


def import_extra(module: str, extra: str, purpose: str) -> ModuleType:
    """Return a module of a library that belongs to an extra.

    Args:
        module: the module's name; the first part is the library's.
        extra: the extra that installs the library.
        purpose: what needs the library, as the subject of the message.

    Raises:
        UsageError: the library is not installed; the message says how to install it.
    """
    try:
        with _without_statistics():
            return importlib.import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise UsageError(f"{purpose} needs {library}: pip install 'resunit[{extra}]' ({error})") from error


@contextmanager
def _without_statistics() -> Iterator[None]:
    """Set the variable for the time of an import: the libraries look at it then, and never again."""
    name, value = WITHOUT_STATISTICS
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
