"""Stored data sets: their folders, and the check on every reading that each file is the published one."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from resunit.data.cifar.facts import Cifar
from resunit.data.cifar.records import decode_records, size_problem
from resunit.data.dataset import Dataset, Split, content_checksum
from resunit.errors import DataError, WriteError
from resunit.io.atomic import write_atomically
from resunit.io.json_text import parse_json

MANIFEST = "manifest.json"
FORMAT = 1


@dataclass(frozen=True)
class FileCheck:
    """The outcome of checking one stored file."""

    file: Path
    ok: bool
    problem: str
    """What is wrong with the file, such as "missing"; "" if nothing is."""


@dataclass(frozen=True)
class Manifest:
    """What the manifest beside the stored files says; it is empty if the manifest itself is damaged."""

    source: str = ""
    """The container or the address that the files came from."""
    sha256: Mapping[str, str] = field(default_factory=dict)
    """The SHA-256 of each stored file, in hexadecimal."""
    problem: str = ""
    """What is wrong with the manifest; "" if nothing is."""


def store(folder: Path, cifar: Cifar, records: Mapping[str, bytes], source: str) -> None:
    """Write the records of `cifar`, and a manifest that says where they came from.

    Args:
        folder: where to write; it must exist.
        cifar: the data set.
        records: the content of each stored file.
        source: the container or the address that the records came from.

    Raises:
        DataError: a file differs from its published checksum, and then nothing is written, or `folder` cannot
            be written.
    """
    digests = {file: hashlib.sha256(content).hexdigest() for file, content in records.items()}
    for file, expected in cifar.sha256.items():
        if digests[file] != expected:
            raise DataError(
                f"{source}: {file} in it is not the published one (SHA-256 {digests[file]}); get another copy"
            )
    manifest = {"format": FORMAT, "source": source, "sha256": digests}
    try:
        for file, content in records.items():
            write_atomically(folder / file, content)
        # The manifest comes last: where it is, everything was written.
        write_atomically(folder / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())
    except WriteError as error:
        raise not_writable(folder, error) from error


def not_writable(folder: Path, error: OSError) -> DataError:
    """Return the error for a data set that cannot be stored in `folder`."""
    return DataError(
        f"{error.filename or folder}: cannot be written ({error.strerror}); "
        "free some space, or set RESUNIT_DATA to another folder"
    )


def is_stored(folder: Path) -> bool:
    """Return whether a data set was once stored in `folder` completely; its files may have been damaged since."""
    return (folder / MANIFEST).exists()


def read_stored(folder: Path, cifar: Cifar) -> Dataset[Split]:
    """Return the data set in `folder`, every file of which is checked as it is read.

    Raises:
        DataError: a file is missing, unreadable or altered; the message names it with the remedy.
    """
    manifest = _read_manifest(folder, cifar)
    _refuse(folder / MANIFEST, manifest.problem, cifar)

    def content_of(file: str) -> bytes:
        content, problem = _read_file(folder, cifar, file, manifest)
        _refuse(folder / file, problem, cifar)
        return content

    train, test = (decode_records(list(map(content_of, files)), cifar) for files in (cifar.train, cifar.test))
    checksum = content_checksum(cifar.classes, train, test)
    return Dataset(cifar.name, cifar.classes, train, test, checksum, manifest.source)


def check_stored(folder: Path, cifar: Cifar) -> list[FileCheck]:
    """Return the outcome for the manifest and for every stored file, all of which are read and hashed."""
    manifest = _read_manifest(folder, cifar)
    problems = {MANIFEST: manifest.problem}
    for file in cifar.files:
        _, problems[file] = _read_file(folder, cifar, file, manifest)
    return [FileCheck(folder / file, not problem, problem) for file, problem in problems.items()]


def is_whole(folder: Path, cifar: Cifar) -> bool:
    """Return whether the manifest and every stored file are as they should be; all are read and hashed."""
    return all(check.ok for check in check_stored(folder, cifar))


def _refuse(file: Path, problem: str, cifar: Cifar) -> None:
    if problem:
        raise DataError(f"{file}: {problem}; {cifar.remedy}")


def _read_manifest(folder: Path, cifar: Cifar) -> Manifest:
    try:
        content = parse_json((folder / MANIFEST).read_bytes())
        number = content.get("format", FORMAT)  # The first manifests had no number.
        if number != FORMAT:
            return Manifest(problem=f"of format {number}, which this resunit does not read")
        source, digests = content["source"], content["sha256"]
        if isinstance(source, str) and isinstance(digests, dict) and digests.keys() == cifar.files.keys():
            return Manifest(source, digests)
        return Manifest(problem="does not list the files")
    except FileNotFoundError:
        return Manifest(problem="missing")
    except OSError as error:
        return Manifest(problem=f"unreadable ({error.strerror})")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        return Manifest(problem=f"damaged ({error})")


def _read_file(folder: Path, cifar: Cifar, file: str, manifest: Manifest) -> tuple[bytes, str]:
    """Return the content of a stored file, and what is wrong with it or ""."""
    try:
        content = (folder / file).read_bytes()
    except FileNotFoundError:
        return b"", "missing"
    except OSError as error:
        return b"", f"unreadable ({error.strerror})"
    problem = size_problem(content, cifar, file)
    expected = (cifar.sha256 or manifest.sha256).get(file)
    if not problem and hashlib.sha256(content).hexdigest() != expected:
        problem = "altered: its SHA-256 is not the expected one"
    return content, problem
