"""The forms other than class folders that people have images in, each with what to do about it."""

import os
import re
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from resunit.data.image_files import is_hidden

EXPECTED = "expected FOLDER/<class>/<image>"
FILES_LOOKED_AT = 2_000
MEMBERS_LOOKED_AT = 10  # A shard of WebDataset has the label of its first image among its first files.

_WRITE = f"write each of its images into a folder of its class; {EXPECTED}"
_GIVE = "give its images and labels from Python: resunit.train(recipe, data=(images, labels))"
ARCHIVE = "unpack {file}, and name the folder that comes out of it"
SHARD = f"{{file}} is a shard of WebDataset; {_WRITE}"
LABELS = f"the labels seem to stand in {{file}}; move each image into a folder of its class; {EXPECTED}"
FORMS = tuple(
    (re.compile(name), remedy)
    for name, remedy in (
        (r"\.(parquet|arrow|feather)$", f"{{file}} is a table; {_WRITE}"),
        (r"\.tfrecords?(-\d+-of-\d+)?$", f"{{file}} is a file of TFRecords; {_WRITE}"),
        (r"\.([lm]db|rec)$", f"{{file}} is a database; {_WRITE}"),
        (r"\.(np[zy]|h5|hdf5|mat|pkl|pickle|pth?)$|-ubyte(\.gz)?$", f"{{file}} holds arrays; {_GIVE}"),
        (r"\.(zip|7z|rar|tgz|zst|tar(\.\w+)?)$", ARCHIVE),
        (r"\.([ct]sv|jsonl|xml)$|(label|annot|class|instances|train|result)[^.]*\.(json|txt|ya?ml)$", LABELS),
    )
)
"""What the name of a file, in lower case, says about it, and what to do; the first that fits is told."""


def advise_on_file(path: Path) -> str:
    """Return what to do with a file that should be a folder of images."""
    with suppress(OSError):
        if path.is_file() and tarfile.is_tarfile(path):
            return (SHARD if _is_shard(path) else ARCHIVE).format(file=path)
    for name, remedy in FORMS:
        if remedy != LABELS and name.search(path.name.lower()):
            return remedy.format(file=path)
    with suppress(OSError):
        if path.is_file() and zipfile.is_zipfile(path):
            return ARCHIVE.format(file=path)
    return EXPECTED


def advise_on_folder(folder: Path) -> str:
    """Return what to do with a folder without class folders; labels that stand in a file of their own are named."""
    files = sorted(islice(_visible_files(folder), FILES_LOOKED_AT))
    for name, remedy in FORMS:
        for file in files:
            if name.search(str(file.relative_to(folder)).lower()):
                return advise_on_file(file) if remedy == ARCHIVE else remedy.format(file=file)
    return EXPECTED


def _visible_files(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        yield from (Path(place, name) for name in files if not is_hidden(name))


def _is_shard(path: Path) -> bool:
    """Return whether a tar archive holds the labels of images in files beside them, as WebDataset has them."""
    with suppress(tarfile.TarError, OSError, EOFError), tarfile.open(path) as archive:
        return any(member.name.endswith((".cls", ".json")) for member in islice(archive, MEMBERS_LOOKED_AT))
    return False
