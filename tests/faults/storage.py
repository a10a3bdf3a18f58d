"""A storage that stops the process, or refuses, at a chosen operation or byte of a chosen save.

The operations are those of Python's own functions, replaced in a forked process that ends afterwards: files that are
opened for writing, each part that is written to them, flushes to disk, new names, deleted names and new folders.
"""

import builtins
import hashlib
import io
import json
import os
import signal
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resunit.training import writer

BYTES_PER_WRITE = 1 << 18


@dataclass(frozen=True)
class Strike:
    """Where the storage strikes: within save number `save`, at an operation or at a byte, all counted from 0.

    Without operation and byte it strikes at the end of the save.
    """

    save: int
    operation: int | None = None
    offset: int | None = None
    error: int | None = None
    """The error that the operation has; None kills the whole process group before the operation."""
    power_fails: bool = False
    """Whether what was not flushed to disk is lost, as a power cut may: contents of files, and new names. Deleted names
    stay deleted, because a disk may keep the order of none of these."""


@dataclass(frozen=True)
class Trace:
    """What the storage wrote down: the operations of each save, and the bytes that each wrote."""

    operations: list[list[str]]
    written: list[int]

    @classmethod
    def read(cls, path: Path) -> "Trace":
        return cls(**json.loads(path.read_text()))


class Storage:
    """Counts the operations of saves; `install` replaces Python's functions by ones that ask it first."""

    def __init__(self, strike: Strike | None = None, notes: Path | None = None, *, alone: bool = False):
        """Strike as `strike` says.

        Args:
            strike: none only counts.
            notes: a file for the trace, or, with a strike, for the digests of the checkpoints before its save.
            alone: whether a kill spares the other processes of the group.
        """
        self.strike, self.notes, self.alone = strike, notes, alone
        self.trace = Trace([], [])
        self.is_saving = False
        self.is_full = False
        self.unflushed: dict[int, str] = {}
        """The files whose content was not flushed, by their inode."""
        self.renamed: list[tuple[str, str]] = []
        """The new names that were not flushed: of what, and what it became."""
        self.truncate, self.rename = os.truncate, os.rename

    @property
    def is_struck_save(self) -> bool:
        return (
            self.is_saving and self.strike is not None and len(self.trace.operations) - 1 == self.strike.save
        )

    def before(self, operation: str) -> None:
        """Count an operation, and strike if its turn has come."""
        if not self.is_saving:
            return
        self.trace.operations[-1].append(operation)
        strike = self.strike if self.is_struck_save else None
        if strike is not None and strike.operation == len(self.trace.operations[-1]) - 1:
            self.hit()

    def room_for(self, length: int) -> int:
        """Count `length` bytes to be written and return how many of them are, which are fewer before the strike."""
        if self.is_full:
            self.hit()
        room = min(length, BYTES_PER_WRITE)
        if not self.is_saving:
            return room
        if self.is_struck_save and self.strike is not None and self.strike.offset is not None:
            left = self.strike.offset - self.trace.written[-1]
            if left <= 0:
                self.is_full = True
                self.hit()
            room = min(room, left)
        self.trace.written[-1] += room
        return room

    def hit(self) -> None:
        assert self.strike is not None
        if self.strike.power_fails:
            self.lose_what_was_not_flushed()
        if self.strike.error is None:
            if self.alone:
                os.kill(os.getpid(), signal.SIGKILL)
            os.killpg(os.getpgrp(), signal.SIGKILL)
        raise OSError(self.strike.error, os.strerror(self.strike.error or 0))

    def lose_what_was_not_flushed(self) -> None:
        """Bring the disk to the state that a power cut may leave: unflushed files are empty, new names are gone."""
        for path in self.unflushed.values():
            self.truncate(path, 0)
        for old, new in reversed(self.renamed):
            self.rename(new, old)

    def note(self, operation: str, arguments: tuple[Any, ...]) -> None:
        """Remember what an operation left to be flushed, or that it flushed a file or a folder."""
        if operation in {"replace", "rename"}:
            self.renamed.append((os.fspath(arguments[0]), os.fspath(arguments[1])))
            self.unflushed = {
                inode: self.renamed[-1][1] if path == self.renamed[-1][0] else path
                for inode, path in self.unflushed.items()
            }
        elif operation == "fsync":
            flushed = os.fstat(arguments[0])
            self.unflushed.pop(flushed.st_ino, None)
            if stat.S_ISDIR(flushed.st_mode):
                self.renamed.clear()

    def save(self, original: Callable[..., None], folder: Path, *arguments: Any, **named: Any) -> None:
        """Do one save, with each of its operations counted."""
        self.trace.operations.append([])
        self.trace.written.append(0)
        strike = self.strike
        if strike is not None and self.notes is not None and len(self.trace.operations) - 1 == strike.save:
            self.notes.write_text(json.dumps(digests(folder)))
        self.is_saving = True
        try:
            original(folder, *arguments, **named)
        finally:
            self.is_saving = False
        if strike == Strike(len(self.trace.operations) - 1):
            self.hit()
        if strike is None and self.notes is not None:
            text = json.dumps({"operations": self.trace.operations, "written": self.trace.written})
            self.notes.write_text(text)

    def install(self) -> None:
        """Replace Python's functions, for the rest of this process."""
        storage, plain_open, save = self, io.open, writer.save_checkpoint

        class Watched(io.FileIO):
            def write(self, data: Any) -> int:
                storage.before("write")
                return super().write(memoryview(data).cast("B")[: storage.room_for(len(data))])

        def watched_open(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
            if isinstance(file, int) or "b" not in mode or not set(mode) & set("wax"):
                return plain_open(file, mode, *arguments, **named)
            storage.before("open")
            watched = Watched(file, mode.replace("b", ""))
            storage.unflushed[os.fstat(watched.fileno()).st_ino] = os.fspath(file)
            return io.BufferedWriter(watched)

        io.open = builtins.open = watched_open
        for name in ("fsync", "replace", "rename", "unlink", "mkdir", "truncate"):
            setattr(os, name, self._asked_first(name))
        writer.save_checkpoint = lambda *arguments, **named: storage.save(save, *arguments, **named)

    def _asked_first(self, name: str) -> Callable[..., Any]:
        function = getattr(os, name)

        def ask(*arguments: Any, **named: Any) -> Any:
            self.before(name)
            done = function(*arguments, **named)
            self.note(name, arguments)
            return done

        return ask


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file in a folder of checkpoints, by name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*"))}
