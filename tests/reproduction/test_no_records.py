"""Commands that show records say what to do where there are none."""

import json
from pathlib import Path

import pytest

from resunit.cli import main
from resunit.cli.reproduce import DEFAULT_SCALE
from resunit.reproduction.experiments.scales import SCALES


def test_the_default_scale_is_one_that_decides() -> None:
    assert DEFAULT_SCALE == "laptop"
    assert DEFAULT_SCALE in SCALES


@pytest.mark.parametrize("table", ["table1", "table4", "figure3", "later", "claims"])
def test_a_table_says_how_to_train_it(table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", table, "--out", str(tmp_path / "out")]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "No row of it was run here." in text
    assert f"Train with: resunit reproduce {table} --run --out {tmp_path / 'out'}" in text
    assert list(tmp_path.iterdir()) == [], "nothing is trained or written"


def test_claims_are_undecided_and_say_what_would_decide_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", "claims", "--out", str(tmp_path), "--json"]) == 0
    claims = json.loads(capsys.readouterr().out)["claims"]
    assert {claim["verdict"] for claim in claims} == {"undecided"}
    assert all("--run` trains them" in claim["numbers"] for claim in claims)


def test_the_signal_says_how_to_train_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "signal", "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "`resunit reproduce signal --run` trains them" in error


def test_the_argument_says_what_gives_it_verdicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    assert main(["reproduce", "argument", "--only", "very-deep-*", "--out", str(page), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert "0 runs: `resunit reproduce claims --run` trains them, and --records takes" in document["records"]
    assert document["records"] in page.read_text()
