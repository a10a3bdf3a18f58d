"""The board: what its cells show, and how much time is left."""

from dataclasses import replace
from pathlib import Path

import pytest

from resunit.reproduction.evidence.run_record import record_without_results
from resunit.reproduction.experiments.experiment import Experiment
from resunit.reproduction.experiments.scales import recipe_for
from resunit.reproduction.paper.tables import TABLES
from resunit.reproduction.running import board as module
from resunit.reproduction.running.board import Board

ROWS = {row.id: row for row in TABLES["table3"].rows}


def experiment(row: str) -> Experiment:
    return Experiment(
        "table3", row, "laptop", recipe_for(ROWS[row], "laptop", 0, None, {"steps": 400}).to_json(), row
    )


def test_a_cell_shows_what_there_is_to_know_of_a_run(tmp_path: Path) -> None:
    runs = [experiment(row) for row in ("110-original", "110-preactivation", "164-original", "1001-original")]
    done = replace(record_without_results(runs[0], "done"), test_error=61.25)
    board = Board(TABLES["table3"], runs, [done], tmp_path, quiet=True)
    board.steps |= {"110-original": 400, "110-preactivation": 20, "164-original": 400}
    board.records["164-original"] = record_without_results(runs[2], "diverged")
    assert [board.describe(run) for run in runs] == ["61.2 %", "20/400", "diverged", "waiting"]
    assert [board.share_done(run) for run in runs] == [1.0, 0.05, 1.0, 0.0]


def test_time_left_counts_arithmetic_and_not_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of ResNet-1001 costs as much as 5.9 of ResNet-110."""
    monkeypatch.setattr(module.time, "monotonic", lambda: 0.0)
    both = [experiment("110-original"), experiment("1001-original")]
    board = Board(TABLES["table3"], both, [], tmp_path, quiet=True)
    assert board.time_left() == "time left: not known yet"
    board.steps["110-original"] = 200
    monkeypatch.setattr(module.time, "monotonic", lambda: 600.0)
    assert board.time_left() == f"about {10 * (1 + 2 * 8926215168 / 1516441344):.0f} min left"


def test_time_left_is_known_at_once_where_steps_were_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier runner has logged is not counted again; later the board counts by what was done since."""
    monkeypatch.setattr(module.time, "monotonic", lambda: 0.0)
    both = [experiment("110-original"), experiment("1001-original")]
    seconds = {"110-original": 1200.0, "1001-original": 6000.0}
    board = Board(TABLES["table3"], both, [], tmp_path, quiet=True, seconds=seconds, jobs=2)
    board.steps["1001-original"] = 200
    assert board.time_left() == "about 35 min left"
    board.steps["110-original"] = 200
    monkeypatch.setattr(module.time, "monotonic", lambda: 900.0)
    assert board.time_left() == f"about {900 / 600 * (600 + 3000) / 60:.0f} min left"
