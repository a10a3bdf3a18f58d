"""A run's folder: the records that a run leaves, each written whole or not at all."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from resunit.errors import RunError
from resunit.io.atomic import only_user_of, write_atomically


@dataclass(frozen=True)
class RunFolder:
    """The files of one run under `path`; see docs/architecture.md for what each holds."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def weights(self) -> Path:
        return self.path / "weights.safetensors"

    @property
    def log(self) -> Path:
        return self.path / "log.jsonl"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def write(self, name: str, record: Mapping[str, Any]) -> None:
        write_atomically(self.path / name, (json.dumps(record, indent=2, allow_nan=False) + "\n").encode())

    def read(self, name: str) -> dict[str, Any]:
        """The JSON record `name`; raises RunError naming the file."""
        path = self.path / name
        try:
            record = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise RunError(f"{self.path}: no {name} there; is it the folder of a run?") from None
        except ValueError as error:
            raise RunError(f"{path}: damaged ({error}); start the run again in another folder") from error
        if not isinstance(record, dict):
            raise RunError(f"{path}: not a record of a run")
        return record

    def finished_result(self) -> dict[str, Any] | None:
        """The result if there is nothing left to do; raises RunError if the run diverged."""
        if not (self.path / "result.json").exists():
            return None
        result = self.read("result.json")
        if result.get("status") == "diverged":
            raise RunError(
                f"{self.path}: diverged at step {result.get('steps')}, as it would again; start a new run, "
                "for instance with a lower learning_rate"
            )
        return result if result.get("status") == "done" and self.report.exists() else None

    def recorded(self, key: str) -> Any:
        """What environment.json says of `key`, if the run came as far as recording it."""
        if not (self.path / "environment.json").exists():
            return None
        return self.read("environment.json").get(key)

    @contextmanager
    def only_user(self) -> Iterator[None]:
        """Hold the folder's lock; raises RunError if another process is at this run."""
        try:
            with only_user_of(self.path):
                for partial in (*self.path.glob(".*.partial"), *self.checkpoints.glob(".*.partial")):
                    partial.unlink(missing_ok=True)  # left by a killed process
                yield
        except BlockingIOError:
            raise RunError(f"{self.path}: another process is training this run") from None

    def append_log(self, record: Mapping[str, Any]) -> None:
        with self.log.open("ab") as file:
            file.write((json.dumps(record, allow_nan=False) + "\n").encode())
            file.flush()
            os.fsync(file.fileno())

    def log_bytes(self) -> int:
        return self.log.stat().st_size if self.log.exists() else 0

    def truncate_log(self, length: int) -> None:
        """Drop the lines that were written after the checkpoint that resumes."""
        if self.log_bytes() > length:
            os.truncate(self.log, length)


def create_run_folder(path: Path, recipe: Mapping[str, Any]) -> RunFolder:
    """A new folder with `recipe.json` in it; raises RunError if it is in use or cannot be written."""
    if path.exists() and not path.is_dir():
        raise RunError(f"{path}: is a file; choose another --out")
    if path.is_dir() and any(not entry.name.endswith(".partial") for entry in path.iterdir()):
        raise RunError(
            f"{path}: already used; choose another --out, or continue it with `resunit train --resume {path}`"
        )
    try:
        path.mkdir(parents=True, exist_ok=True)
        folder = RunFolder(path)
        folder.write("recipe.json", recipe)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror}); choose another --out") from error
    return folder


def default_folder(name: str) -> Path:
    """The first unused runs/<recipe>-<number>."""
    return next(path for number in count(1) if not (path := Path("runs") / f"{name}-{number}").exists())
