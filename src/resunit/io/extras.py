"""Libraries that only some parts of resunit need: each belongs to an extra, and is loaded where it is used."""

import importlib
from types import ModuleType

from resunit.errors import UsageError


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
        return importlib.import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise UsageError(f"{purpose} needs {library}: pip install 'resunit[{extra}]' ({error})") from error
