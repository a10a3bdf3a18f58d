"""The temporary folders that data sets are downloaded to and unpacked in."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resunit.errors import DataError


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder that is deleted at the end of the context.

    Raises:
        DataError: the operating system refused to make it.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="resunit-")
    except OSError as error:
        raise temporary_not_writable(error) from error
    with folder as name:
        yield Path(name)


def temporary_not_writable(error: OSError) -> DataError:
    """Return the error for a refused write below the system's folder for temporary files."""
    place = error.filename or "the folder for temporary files"
    return DataError(f"{place}: cannot be written ({error.strerror}); free some space, or set TMPDIR")
