"""Where data sets are kept, and proof on every reading that they are what was published."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from resunit.data.cifar.facts import Cifar
from resunit.data.cifar.records import check_size, decode
from resunit.data.dataset import Dataset, Split, content_checksum
from resunit.errors import DataError
from resunit.io.atomic import write_atomically

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class FileCheck:
    """One stored file: is it as published, and if not, what is wrong with it."""

    file: Path
    ok: bool
    problem: str


def data_root(root: Path | str | None) -> Path:
    """`root`, else $RESUNIT_DATA, else resunit/data in the user's cache."""
    if root is not None:
        return Path(root).expanduser()
    if stated := os.environ.get("RESUNIT_DATA"):
        return Path(stated).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "resunit" / "data"


def store(folder: Path, cifar: Cifar, records: Mapping[str, bytes], source: str) -> None:
    """Write the records and a manifest that says where they came from. Raises DataError.

    Records that differ from the published checksums are refused before anything is written.
    """
    digests = {file: hashlib.sha256(content).hexdigest() for file, content in records.items()}
    for file, expected in cifar.sha256.items():
        if digests[file] != expected:
            raise DataError(f"{source}: {file} from it is not the published one (SHA-256 {digests[file]})")
    manifest = {"source": source, "sha256": digests}
    try:
        for file, content in records.items():
            write_atomically(folder / file, content)
        write_atomically(folder / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror}); choose RESUNIT_DATA") from error


def is_stored(folder: Path) -> bool:
    """Was it stored to the end? The manifest is written last; the files may have been damaged since."""
    return (folder / MANIFEST).exists()


def read_stored(folder: Path, cifar: Cifar) -> Dataset[Split]:
    """The data set in `folder`; every file is proved whole and unaltered as it is read. Raises DataError."""

    def sound(file: str, content: bytes, problem: str) -> bytes:
        if problem:
            raise DataError(f"{folder / file}: {problem}; {cifar.remedy}")
        return content

    manifest, problem = _manifest(folder, cifar)
    sound(MANIFEST, b"", problem)
    train, test = (
        decode([sound(file, *_content(folder, cifar, file, manifest)) for file in files], cifar)
        for files in (cifar.train, cifar.test)
    )
    checksum = content_checksum(cifar.classes, train, test)
    return Dataset(cifar.name, cifar.classes, train, test, checksum, manifest["source"])


def check_stored(folder: Path, cifar: Cifar) -> list[FileCheck]:
    """The manifest and every file, re-hashed."""
    manifest, problem = _manifest(folder, cifar)
    problems = {MANIFEST: problem}
    for file in cifar.files:
        _, problems[file] = _content(folder, cifar, file, manifest)
    return [FileCheck(folder / file, not problem, problem) for file, problem in problems.items()]


def _manifest(folder: Path, cifar: Cifar) -> tuple[dict, str]:
    """The manifest and what is wrong with it; no checksums are known from a wrong one."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        if set(manifest["sha256"]) == set(cifar.files) and isinstance(manifest["source"], str):
            return manifest, ""
        problem = "does not list the files"
    except FileNotFoundError:
        problem = "missing"
    except (OSError, ValueError, LookupError, TypeError) as error:
        problem = f"unreadable ({error})"
    return {"sha256": {}}, problem


def _content(folder: Path, cifar: Cifar, file: str, manifest: dict) -> tuple[bytes, str]:
    """A stored file and what is wrong with it."""
    try:
        content = (folder / file).read_bytes()
    except FileNotFoundError:
        return b"", "missing"
    except OSError as error:
        return b"", f"unreadable ({error.strerror})"
    problem = check_size(content, cifar, file)
    expected = (cifar.sha256 or manifest["sha256"]).get(file)
    if not problem and hashlib.sha256(content).hexdigest() != expected:
        problem = "altered: its SHA-256 is not the expected one"
    return content, problem
