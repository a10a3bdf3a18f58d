"""Watching the signal during training: what is written, and that nothing else changes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from markupsafe import escape
from torch import Tensor, nn

import resunit
from resunit.errors import UsageError
from resunit.models.designs import DESIGNS, Design, UnitParts
from resunit.models.residual_unit import ORIGINAL
from resunit.runs.folder import RunFolder
from resunit.runs.schema import PropagationLine
from resunit.training import propagation_watch
from resunit.training.batches import GhostBatch
from resunit.training.recipe import Recipe, with_changes
from resunit.training.recipes import named_recipe
from resunit.training.state import TrainingState


def recipe(**changes: Any) -> Recipe:
    small = {
        "model": "resnet20", "design": "dropout-shortcut", "data": "cifar10-sample", "image_size": 16,
        "steps": 3, "batch_size": 32, "ghost_batch_size": 16, "checkpoint_every": 1, "validation": 20,
    }  # fmt: skip
    return with_changes(named_recipe("paper"), small | changes)


def lines(folder: Path) -> list[PropagationLine]:
    return RunFolder(folder).read_propagation()


def test_a_watched_run_ends_with_the_same_bytes(tmp_path: Path) -> None:
    resunit.train(recipe(), out=tmp_path / "plain", quiet=True)
    resunit.train(recipe(watch_propagation=2), out=tmp_path / "watched", quiet=True)
    names = ("weights.safetensors", "evaluation.json")
    plain, watched = (
        [(tmp_path / folder / name).read_bytes() for name in names] for folder in ("plain", "watched")
    )
    assert plain == watched
    assert not (tmp_path / "plain" / "propagation.jsonl").exists()

    assert [line.step for line in lines(tmp_path / "watched")] == [0, 2]
    for line in lines(tmp_path / "watched"):
        assert line.junctions == tuple(f"stages.{s}.{u}" for s in range(3) for u in range(3))
        for name in ("direct_gain", "cancellation_share", "weight_input_rms", "branch_minimum"):
            assert len(line.measures[name]) == 9
        assert not {"lambda_product", "path_product"} & set(line.measures)
        assert len(line.measures["gradient_gain"]) == len(line.measures["stream_rms"]) == 9
        assert all(
            0.4 < value < 0.6 for value in line.measures["lambda_r2"] if value is not None
        )  # dropout of one half
    first, last = lines(tmp_path / "watched")
    page = (tmp_path / "watched" / "report.html").read_text()
    assert 'id="propagation"' in page
    for line in (last, first):  # The paper's dropout of one half on the shortcut is a scale of one half.
        assert line.verdict is not None
        assert line.verdict.startswith("scaled: past the branches of stage 1 only ")
    assert last.verdict != first.verdict
    heading, told = "<h2>Does the signal pass directly?</h2>", f"<p>{escape(last.verdict)} "
    assert page.split(heading)[1].strip().startswith(told)
    assert f"<p>{escape(first.verdict)} " in page
    assert 'id="propagation"' not in (tmp_path / "plain" / "report.html").read_text()


def test_a_norm_after_the_addition_is_seen_to_truncate(tmp_path: Path) -> None:
    """Training makes one function of it and its activation, which the instrument does not see into."""
    chosen = recipe(watch_propagation=1, steps=1, design="bn-after-addition")
    resunit.train(chosen, out=tmp_path / "run", quiet=True)
    (line,) = lines(tmp_path / "run")
    assert line.unseen == ()
    assert all(cut is not None and 0.1 < cut < 0.9 for cut in line.measures["energy_cut"][:8])


class Multiplies(nn.Module):
    def __init__(self, parts: UnitParts):
        super().__init__()
        self.branch, self.shortcut, self.after = parts.branch, parts.size_change(), parts.after_addition

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.shortcut(x) * torch.sigmoid(self.branch(x)))


def test_a_network_without_junctions_is_watched_at_its_weight_layers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DESIGNS, "multiplying", Design(ORIGINAL, Multiplies, of_the_paper=False))
    chosen = recipe(watch_propagation=2, design="multiplying")
    assert resunit.train(chosen, out=tmp_path / "run", quiet=True).status == "done"
    first, second = lines(tmp_path / "run")
    assert (first.step, second.step, first.refused) == (0, 2, None)
    assert first.verdict is not None
    assert "no shortcut is added" in first.verdict
    assert (first.junctions[0], first.junctions[-1]) == ("stem.conv1", "classifier")
    assert set(first.measures) == {"signal_rms", "gradient_gain", "weight_gradient_gain"}
    assert first.measures["gradient_gain"][-1] == 1
    assert "weight layer" in (tmp_path / "run" / "report.html").read_text()


class Detaches(Multiplies):
    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.shortcut(x) + self.branch(x).detach())


def test_a_network_that_cannot_be_measured_trains_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DESIGNS, "detaching", Design(ORIGINAL, Detaches, of_the_paper=False))
    chosen = recipe(watch_propagation=2, design="detaching")
    assert resunit.train(chosen, out=tmp_path / "run", quiet=True).status == "done"
    assert [line.step for line in lines(tmp_path / "run")] == [0, 2]
    refusal = lines(tmp_path / "run")[0].refused
    assert refusal is not None
    assert "could be measured: " in refusal
    assert lines(tmp_path / "run")[0].verdict is None
    assert "was not measured: " in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.full
def test_a_resumed_run_writes_each_line_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    resunit.train(recipe(watch_propagation=1), out=whole, quiet=True)
    measure = propagation_watch.PropagationWatch.measure

    def breaks(watch: propagation_watch.PropagationWatch, batch: GhostBatch, state: TrainingState) -> None:
        if state.step == 2:
            raise MemoryError
        measure(watch, batch, state)

    monkeypatch.setattr(propagation_watch.PropagationWatch, "measure", breaks)
    with pytest.raises(MemoryError):
        resunit.train(recipe(watch_propagation=1), out=cut, quiet=True)
    monkeypatch.undo()
    assert [line.step for line in lines(cut)] == [0, 1]
    newest = max(
        path.name for path in (cut / "checkpoints").iterdir()
    )  # The clock decides on others before it.
    assert newest == "step-00000002.safetensors"
    with (cut / "propagation.jsonl").open("a") as file:
        file.write('{"step": 2}\n{"step": 3, "half a line')
    assert resunit.resume(cut, quiet=True).status == "done"
    assert (cut / "propagation.jsonl").read_bytes() == (whole / "propagation.jsonl").read_bytes()
    assert (cut / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()


def test_no_step_in_between_can_be_measured() -> None:
    with pytest.raises(UsageError, match="watch_propagation"):
        recipe(watch_propagation=0)


def test_watching_costs_a_fixed_number_of_backward_passes_for_each_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A measurement of one ghost batch runs the network backward once for each direction that it probes."""
    passes: list[bool] = []
    backward, grad = torch.autograd.backward, torch.autograd.grad

    def counted_backward(*arguments: Any, **options: Any) -> Any:
        passes.append(True)
        return backward(*arguments, **options)

    def counted_grad(*arguments: Any, **options: Any) -> Any:
        passes.append(True)
        return grad(*arguments, **options)

    monkeypatch.setattr(torch.autograd, "backward", counted_backward)
    monkeypatch.setattr(torch.autograd, "grad", counted_grad)
    counts = {}
    # The first run of a process counts the arithmetic of its network once, with passes of its own.
    for run, every in enumerate((None, None, 4, 2)):
        passes.clear()
        chosen = recipe(
            design=None, model="preresnet20", steps=4, ghost_batch_size=None, watch_propagation=every
        )
        resunit.train(chosen, out=tmp_path / str(run), quiet=True)
        counts[every] = len(passes)
    one_measurement = counts[4] - counts[None]
    assert 0 < one_measurement < 10
    assert counts[2] - counts[None] == 2 * one_measurement
