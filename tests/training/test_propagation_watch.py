"""Watching the signal during training: what is written, and that nothing else changes."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

import resunit
from resunit.names import UsageError
from resunit.training import propagation_watch
from resunit.training.batches import Group
from resunit.training.loop import resume
from resunit.training.progress import Progress
from resunit.training.recipe import Recipe, named_recipe
from resunit.training.settings import with_settings


def recipe(*settings: str) -> Recipe:
    chosen = replace(
        named_recipe("paper"), model="resnet20", design="dropout-shortcut", data="cifar10-sample"
    )
    return with_settings(
        chosen, ["steps=3", "batch_size=32", "group_size=16", "checkpoint_every=1", *settings]
    )


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "propagation.jsonl").read_text().splitlines()]


def test_a_watched_run_ends_with_the_same_bytes(tmp_path: Path) -> None:
    resunit.train(recipe(), out=tmp_path / "plain", quiet=True)
    resunit.train(recipe("watch_propagation=2"), out=tmp_path / "watched", quiet=True)
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


def test_a_resumed_run_writes_each_line_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    resunit.train(recipe("watch_propagation=1"), out=whole, quiet=True)
    measure = propagation_watch.PropagationWatch.measure

    def breaks(watch: propagation_watch.PropagationWatch, group: Group, progress: Progress) -> None:
        if progress.step == 2:
            raise MemoryError
        measure(watch, group, progress)

    monkeypatch.setattr(propagation_watch.PropagationWatch, "measure", breaks)
    with pytest.raises(MemoryError):
        resunit.train(recipe("watch_propagation=1"), out=cut, quiet=True)
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
        recipe("watch_propagation=0")


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
    settings = ["watch_propagation=200", "model=preresnet20", "steps=401", "batch_size=128", "group_size=128"]
    chosen = with_settings(replace(recipe(), design=None), [*settings, "checkpoint_every=1000"])
    result = resunit.train(chosen, out=tmp_path / "run", quiet=True)
    assert len(spent) == 3
    assert sum(spent) < 0.02 * result["wall_seconds"]
