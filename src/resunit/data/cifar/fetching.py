"""Fetching CIFAR from the first source that answers; every source gives the same checked records."""

from pathlib import Path

from resunit.data.cifar.containers import read_container
from resunit.data.cifar.facts import Cifar
from resunit.data.cifar.storage import is_stored, is_whole, not_writable, store
from resunit.data.cifar.temporary import temporary_folder
from resunit.errors import DataError, Unreachable, WriteError
from resunit.io.atomic import only_writer, remove_partial_files
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
    # A store that is whole is only read: it may lie on a disk that cannot be written.
    if source is None and is_stored(folder) and is_whole(folder, cifar):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_writable(folder, error) from error
    try:
        waiting = working(f"waiting for {folder / '.lock'}, which another process holds", progress)
        with only_writer(folder, waiting) as is_alone:
            if is_alone:
                remove_partial_files(folder)
            if source is not None:
                _store_container(source, cifar, folder, str(source), progress)
            elif not is_whole(folder, cifar):
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
