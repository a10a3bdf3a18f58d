"""Fetching: from the first source that answers, through any container, to the same checked records."""

from pathlib import Path

from resunit.data.cifar.containers import read_container
from resunit.data.cifar.facts import Cifar
from resunit.data.cifar.storage import check_stored, not_writable, store
from resunit.data.cifar.temporary import temporary_folder
from resunit.errors import DataError, Unreachable, WriteError
from resunit.io.atomic import only_writer
from resunit.io.progress import working


def fetch_cifar(cifar: Cifar, folder: Path, source: Path | None, progress: bool) -> None:
    """Store `cifar` in `folder`, whole and checked; do nothing if it is stored there already.

    Args:
        cifar: the data set.
        folder: where it is stored; made if there is none.
        source: a container that the user already has, which replaces what is stored. If None, the sources of
            `cifar` are tried in order.
        progress: whether progress is shown on stderr.

    Raises:
        Unreachable: every source failed; the message names each of them with the reason.
        DataError: `source` is not a whole container of `cifar`, or `folder` cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_writable(folder, error) from error
    try:
        with only_writer(folder):
            if source is not None:
                _store_container(source, cifar, folder, str(source), progress)
            elif not all(check.ok for check in check_stored(folder, cifar)):
                _fetch_from_sources(cifar, folder, progress)
    except WriteError as error:
        raise not_writable(folder, error) from error


def _store_container(container: Path, cifar: Cifar, folder: Path, origin: str, progress: bool) -> None:
    with working(f"checking {cifar.name} from {origin}", progress):
        store(folder, cifar, read_container(container, cifar), origin)


def _fetch_from_sources(cifar: Cifar, folder: Path, progress: bool) -> None:
    failures = []
    for source in cifar.sources:
        with temporary_folder() as temporary:
            try:
                container = source.download(temporary, progress)
                return _store_container(container, cifar, folder, source.description, progress)
            except DataError as error:
                # The temporary folder is gone by the time that the user reads the message.
                failures.append(f"{source.description} ({str(error).replace(f'{temporary}/', '')})")
    raise Unreachable(
        f"{cifar.name} cannot be fetched; tried {'; '.join(failures)}. "
        f"Have it already? `resunit data fetch {cifar.name} --from PATH`. "
        "Otherwise --data cifar10-sample needs no network."
    )
