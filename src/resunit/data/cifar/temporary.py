"""The temporary folders that data sets are downloaded to and unpacked in."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from resunit.errors import DataError
from resunit.io.atomic import only_user_of

PREFIX = ".resunit-fetch-"
# A folder that another process has just made has no lock for a moment.
SECONDS_BEFORE_REMOVAL = 60


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder that is deleted at the end of the context, and delete those of killed processes.

    Raises:
        DataError: the operating system refused to make it.
    """
    _remove_abandoned(Path(tempfile.gettempdir()))
    try:
        folder = tempfile.TemporaryDirectory(prefix=PREFIX)
    except OSError as error:
        raise temporary_not_writable(error) from error
    with folder as name, only_user_of(Path(name)):
        yield Path(name)


def _remove_abandoned(place: Path) -> None:
    """Delete the temporary folders in `place` that no living process holds the lock of."""
    for folder in place.glob(f"{PREFIX}*"):
        # Other users' folders cannot be opened or deleted, and those in use are locked.
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > SECONDS_BEFORE_REMOVAL:
                with only_user_of(folder) as is_abandoned:
                    if is_abandoned:
                        shutil.rmtree(folder)


def temporary_not_writable(error: OSError) -> DataError:
    """Return the error for a refused write below the system's folder for temporary files."""
    place = error.filename or "the folder for temporary files"
    return DataError(f"{place}: cannot be written ({error.strerror}); free some space, or set TMPDIR")
