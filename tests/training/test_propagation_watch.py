"""Watching the signal during training: what is written, and that nothing else changes."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn

import resunit
from resunit.errors import UsageError
from resunit.models.designs import DESIGNS, Design, Parts
from resunit.models.residual_unit import ORIGINAL
from resunit.training import propagation_watch
from resunit.training.batches import Group
from resunit.training.loop import resume
from resunit.training.recipe import Recipe, with_changes
from resunit.training.recipes import named_recipe
from resunit.training.state import Progress


def recipe(**changes: Any) -> Recipe:
    chosen = replace(
        named_recipe("paper"), model="resnet20", design="dropout-shortcut", data="cifar10-sample"
    )
    return with_changes(
        chosen, {"steps": 3, "batch_size": 32, "ghost_batch_size": 16, "checkpoint_every": 1, **changes}
    )


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "propagation.jsonl").read_text().splitlines()]


def test_a_watched_run_ends_with_the_same_bytes(tmp_path: Path) -> None:
    resunit.train(recipe(), out=tmp_path / "plain", quiet=True)
    resunit.train(recipe(watch_propagation=2), out=tmp_path / "watched", quiet=True)
    names = ("weights.safetensors", "evaluation.json")
    plain, watched = (
        [(tmp_path / folder / name).read_bytes() for name in names] for folder in ("plain", "watched")
    )
    assert plain == watched
    assert not (tmp_path / "plain" / "propagation.jsonl").exists()

    assert [line["step"] for line in lines(tmp_path / "watched")] == [0, 2]
    for line in lines(tmp_path / "watched"):
        assert line["junctions"] == [f"stages.{s}.{u}" for s in range(3) for u in range(3)]
        assert len(line["gradient_gain"]) == len(line["stream_rms"]) == 9
        assert all(
            0.4 < value < 0.6 for value in line["lambda_r2"] if value is not None
        )  # dropout of one half
    assert 'id="propagation"' in (tmp_path / "watched" / "report.html").read_text()
    assert 'id="propagation"' not in (tmp_path / "plain" / "report.html").read_text()


def test_a_norm_after_the_addition_is_seen_to_truncate(tmp_path: Path) -> None:
    """Training makes one function of it and its activation, which the instrument does not see into."""
    settings = {"watch_propagation": 1, "steps": 1, "design": "bn-after-addition"}
    resunit.train(recipe(**settings), out=tmp_path / "run", quiet=True)
    (line,) = lines(tmp_path / "run")
    assert line["unseen"] == []
    assert all(0.1 < cut < 0.9 for cut in line["energy_cut"][:8])


class Subtracts(nn.Module):
    def __init__(self, parts: Parts):
        super().__init__()
        self.branch, self.shortcut, self.after = parts.branch, parts.size_change(), parts.after_addition

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.shortcut(x) - self.branch(x))


def test_a_network_without_junctions_trains_and_says_why_it_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DESIGNS, "subtracting", Design(ORIGINAL, Subtracts, of_the_paper=False))
    settings = {"watch_propagation": 2, "design": "subtracting"}
    assert resunit.train(recipe(**settings), out=tmp_path / "run", quiet=True)["status"] == "done"
    assert [line["step"] for line in lines(tmp_path / "run")] == [0, 2]
    refusal = lines(tmp_path / "run")[0]["refused"]
    assert "has no junction h(x) + F(x)" in refusal
    assert "was not measured: " in (tmp_path / "run" / "report.html").read_text()


def test_a_resumed_run_writes_each_line_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    resunit.train(recipe(watch_propagation=1), out=whole, quiet=True)
    measure = propagation_watch.PropagationWatch.measure

    def breaks(watch: propagation_watch.PropagationWatch, group: Group, progress: Progress) -> None:
        if progress.step == 2:
            raise MemoryError
        measure(watch, group, progress)

    monkeypatch.setattr(propagation_watch.PropagationWatch, "measure", breaks)
    with pytest.raises(MemoryError):
        resunit.train(recipe(watch_propagation=1), out=cut, quiet=True)
    monkeypatch.undo()
    assert [line["step"] for line in lines(cut)] == [0, 1]
    assert [path.name for path in (cut / "checkpoints").iterdir()] == ["step-00000002.safetensors"]
    with (cut / "propagation.jsonl").open("a") as file:
        file.write('{"step": 2}\n{"step": 3, "half a line')
    assert resume(cut, quiet=True)["status"] == "done"
    assert (cut / "propagation.jsonl").read_bytes() == (whole / "propagation.jsonl").read_bytes()
    assert (cut / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()


def test_no_step_in_between_can_be_measured() -> None:
    with pytest.raises(UsageError, match="watch_propagation must be at least 1"):
        recipe(watch_propagation=0)


@pytest.mark.full
def test_watching_every_200_steps_costs_less_than_2_percent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = []
    measure = propagation_watch.PropagationWatch.measure

    def timed(*arguments: object) -> None:
        started = time.perf_counter()
        measure(*arguments)
        spent.append(time.perf_counter() - started)

    monkeypatch.setattr(propagation_watch.PropagationWatch, "measure", timed)
    settings = {
        "watch_propagation": 200,
        "model": "preresnet20",
        "steps": 401,
        "batch_size": 128,
        "ghost_batch_size": 128,
    }
    chosen = with_changes(replace(recipe(), design=None), {**settings, "checkpoint_every": 1000})
    result = resunit.train(chosen, out=tmp_path / "run", quiet=True)
    assert len(spent) == 3
    assert sum(spent) < 0.02 * result["wall_seconds"]
