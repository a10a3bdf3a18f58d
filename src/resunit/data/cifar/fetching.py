"""Fetching: from the first source that answers, through any container, to the same checked records."""

import tempfile
from pathlib import Path

from resunit.data.cifar.containers import read_container
from resunit.data.cifar.facts import Cifar
from resunit.data.cifar.storage import check_stored, store
from resunit.errors import DataError, Unreachable
from resunit.io.atomic import only_writer
from resunit.io.progress import working


def fetch_cifar(cifar: Cifar, folder: Path, source: Path | None, progress: bool) -> None:
    """Make `folder` hold `cifar`, whole and checked; nothing happens if it already does. Raises DataError.

    `source` is a container that the user already has; else the sources of `cifar` are tried in order.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with only_writer(folder):
            if source is not None:
                _convert(source, cifar, folder, str(source), progress)
            elif not all(check.ok for check in check_stored(folder, cifar)):
                _fetch_from_sources(cifar, folder, progress)
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror}); choose RESUNIT_DATA") from error


def _convert(container: Path, cifar: Cifar, folder: Path, origin: str, progress: bool) -> None:
    with working(f"checking {cifar.name} from {origin}", progress):
        store(folder, cifar, read_container(container, cifar), origin)


def _fetch_from_sources(cifar: Cifar, folder: Path, progress: bool) -> None:
    failures = []
    for source in cifar.sources:
        with tempfile.TemporaryDirectory(prefix="resunit-") as temporary:
            try:
                container = source.download(Path(temporary), progress)
                return _convert(container, cifar, folder, source.description, progress)
            except DataError as error:
                failures.append(f"{source.description} ({str(error).replace(temporary + '/', '')})")
    raise Unreachable(
        f"{cifar.name} cannot be fetched; tried {'; '.join(failures)}. "
        f"Have it already? `resunit data fetch {cifar.name} --from PATH`. "
        "Otherwise --data cifar10-sample needs no network."
    )
