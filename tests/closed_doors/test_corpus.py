"""Malicious files are refused with a line that names them, or shown escaped; nothing in them is ever executed."""

import os
import pickle
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import resunit
from resunit.cli.app import fail
from resunit.errors import ResunitError
from tests.closed_doors.corpus import HTML, LOAD, SENTINEL, Malicious, corpus, payloads
from tests.faults import disturbed
from tests.faults.disturbed import Ended, run

MEMORY_BYTES = 4 << 30
PROCESSOR_SECONDS = 120
"""No bound that is measured: a command that takes so long hangs."""
EVERYDAY = ("pickle, exec, as weights: evaluate", "tar with ..: data", "HTML as class names: report")
NAMES = [case.name for case in corpus(Path("/nowhere") / SENTINEL)]


def limit() -> None:
    """Give this process an end of its memory and of its time."""
    begun = psutil.Process()
    for kind, most in (
        (resource.RLIMIT_AS, begun.memory_info().vms + MEMORY_BYTES),
        (resource.RLIMIT_CPU, int(sum(begun.cpu_times()[:2])) + PROCESSOR_SECONDS),
    ):
        resource.setrlimit(kind, (most, most))
    # Whatever leads out of a temporary folder stays within the test's own folder, where it is looked for.
    os.environ["RESUNIT_DATA"] = str(Path("data").absolute())
    Path("temporary").mkdir()
    tempfile.tempdir = str(Path("temporary").absolute())


def load_instead(arguments: list[str]) -> int:
    """Do `resunit.load` in the place of a command, with the exit code that a command would have."""
    try:
        resunit.load(arguments[1])
    except ResunitError as error:
        return fail(error, 1)
    return 0


def limit_and_load() -> None:
    """Limit this process, and let it do `load_instead` and not the command."""
    limit()
    disturbed.main = load_instead  # pyright: ignore[reportAttributeAccessIssue]


def ended(case: Malicious, where: Path) -> tuple[Ended, Path]:
    """Write a malicious file and run its command."""
    path = where / case.file
    case.write(path)
    replaced = {"FILE": str(path), "OUT": str(where / "out")}
    arguments = list(case.arguments)
    for word, value in replaced.items():
        arguments = [argument.replace(word, value) for argument in arguments]
    return run(arguments, where, limit_and_load if case.arguments == LOAD else limit), path


@pytest.fixture
def where(tmp_path: Path) -> Iterator[Path]:
    """A folder some levels deep, so that a path that leads out of it stays within the test's own folder."""
    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    yield folder
    assert list(tmp_path.rglob(f"*{SENTINEL}*")) == []


@pytest.mark.parametrize(
    "name", [name if name in EVERYDAY else pytest.param(name, marks=pytest.mark.full) for name in NAMES]
)
def test_refused_or_shown_escaped(name: str, where: Path, tmp_path: Path) -> None:
    (case,) = (case for case in corpus(tmp_path / SENTINEL) if case.name == name)
    end, path = ended(case, where)
    assert end.code in case.codes, end.output
    assert "unexpected" not in end.output
    assert "Traceback" not in end.output
    assert "\x1b" not in end.output
    assert "\x07" not in end.output
    if case.refused_by_name:
        assert str(path) in end.output
    for page in where.rglob("*.html"):
        text = page.read_text()
        assert HTML not in text
        assert "\x1b]0;owned" not in text
    if end.code:
        assert list(where.glob("out*")) == []


def test_the_corpus_is_large_and_its_payloads_work(tmp_path: Path) -> None:
    """The corpus proves something only if a careless program would run what is in it."""
    assert len(NAMES) == len(set(NAMES)) >= 50
    sentinel = tmp_path / SENTINEL
    for name, content in payloads(sentinel).items():
        if name != "rebuilt storage":
            pickle.loads(content)
            assert sentinel.exists(), name
            sentinel.unlink()
