"""Files of JSON lines are read with checks and added to whole."""

import re
from pathlib import Path

import pytest

from resunit.errors import CutOffRecord, FileFormatError, WriteError
from resunit.io.jsonl import append_lines, read_lines

DEEP = b"[" * 100_000


def test_what_was_added_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "records.jsonl"
    append_lines(path, [{"a": 1}])
    append_lines(path, [{"b": "ü\n"}, {}])
    assert read_lines(path) == [{"a": 1}, {"b": "ü\n"}, {}]
    assert path.read_bytes().count(b"\n") == 3


def test_no_file_has_no_records(tmp_path: Path) -> None:
    assert read_lines(tmp_path / "absent") == []


@pytest.mark.parametrize(
    "line", [b"{", b"nonsense", b"[1]", b"3", b"\xff", DEEP], ids=lambda line: str(line[:9])
)
def test_a_line_that_is_no_record_is_named(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_bytes(b"{}\n" + line + b"\n{}\n")
    with pytest.raises(FileFormatError, match=f"{re.escape(str(path))}, line 2"):
        read_lines(path)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", b"run,error\n1,2\n", b"[{}]"])
def test_a_file_of_another_kind_is_not_told_to_lose_its_lines(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(FileFormatError, match=r"a\.png, line 1: .*name a run's folder"):
        read_lines(tmp_path / "a.png")


@pytest.mark.parametrize("end", [b'{"b": ', DEEP], ids=["cut", "deep"])
def test_a_line_that_was_cut_off_is_left_out_and_dropped(end: bytes, tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_bytes(b'{"a": 1}\n' + end)
    with pytest.warns(CutOffRecord, match="line 2"):
        assert read_lines(path) == [{"a": 1}]
    append_lines(path, [{"c": 3}])
    assert read_lines(path) == [{"a": 1}, {"c": 3}]


def test_a_whole_last_line_without_its_end_counts(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_bytes(b'{"a": 1}')
    assert read_lines(path) == [{"a": 1}]
    append_lines(path, [{"b": 2}])
    assert read_lines(path) == [{"a": 1}, {"b": 2}]


def test_nan_is_refused_and_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    append_lines(path, [{"a": 1}])
    with pytest.raises(ValueError, match="JSON"):
        append_lines(path, [{"b": 2}, {"c": float("inf")}])
    assert read_lines(path) == [{"a": 1}]


def test_what_the_system_refuses_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=re.escape(str(tmp_path))):
        read_lines(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match=r"records.jsonl"):
        append_lines(tmp_path / "file" / "records.jsonl", [{}])
