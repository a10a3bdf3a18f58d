"""`resunit reproduce argument`: the page, the JSON document, and what is refused before anything is measured."""

import json
from pathlib import Path

import pytest

from resunit.cli import main

ONLY_RUNS_DECIDE = "very-deep-*"


def argument(*options: str) -> int:
    return main(["reproduce", "argument", *options])


def test_json_and_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "new" / "page.html"
    assert argument("--only", ONLY_RUNS_DECIDE, "--seed", "3", "--out", str(page), "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["format"] == 1
    assert (document["seed"], document["page"]) == (3, str(page))
    assert [one["name"] for one in document["statements"]] == [
        "very-deep-learns-fast",
        "very-deep-ends-lowest",
    ]
    assert all(outcome["verdict"] for one in document["statements"] for outcome in one["outcomes"])
    assert (
        document["command"] == f"resunit reproduce argument --seed 3 --only '{ONLY_RUNS_DECIDE}' --out {page}"
    )
    assert document["command"].replace("'", "&#39;") in page.read_text()
    assert [path.name for path in page.parent.iterdir()] == ["page.html"]


def test_markdown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert argument("--only", ONLY_RUNS_DECIDE, "--out", str(tmp_path / "page.md")) == 0
    assert capsys.readouterr().out.rstrip().endswith(str(tmp_path / "page.md"))
    assert "### Very deep learns fast" in (tmp_path / "page.md").read_text()


@pytest.mark.full
def test_one_command_shows_the_sum_and_the_product(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--model", "resnet20", "--batch-size", "4", "--only", "sum-not-product")
    assert argument(*options, "--out", str(tmp_path / "page.html")) == 0
    told = capsys.readouterr().out
    assert [f"F of unit {number}" in told for number in (1, 2, 3, 4)] == [True, True, True, False]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--out", "page.pdf"), "page.pdf"),
        (("--out", "."), "--out ."),
        (("--model", "preresnet20"), "preresnet20"),
        (("--steps", "0"), "steps"),
        (("--only", "nothing-like-it"), "nothing-like-it"),
        (("--learning-rate", "1"), "--learning-rate"),
    ],
)
def test_what_does_not_fit_is_refused(
    options: tuple[str, ...],
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert argument(*options) == 2
    assert named in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.html"))


def test_a_file_in_the_place_of_the_folder_and_missing_records_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert argument("--out", str(tmp_path / "file" / "page.html")) == 1
    assert str(tmp_path / "file") in capsys.readouterr().err
    assert argument("--out", str(tmp_path / "page.html"), "--records", str(tmp_path / "absent.jsonl")) == 1
    assert "absent.jsonl" in capsys.readouterr().err


def test_its_name_stands_before_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "--json", "argument"]) == 2
    assert "resunit reproduce argument" in capsys.readouterr().err
