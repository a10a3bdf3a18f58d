"""Training as users start it: all designs on real images, divergence, groups, several processes."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import resunit
from resunit.errors import RunError
from resunit.models.designs import DESIGNS
from resunit.training.loop import train_or_resume
from resunit.training.recipe import Recipe, with_changes
from resunit.training.recipes import named_recipe


def small(name: str = "paper", **changes: Any) -> Recipe:
    recipe = replace(named_recipe(name), model="resnet20", data="cifar10-sample")
    return with_changes(recipe, {"steps": 4, "batch_size": 64, "precision": "fp32", **changes})


@pytest.mark.parametrize("design", DESIGNS)
def test_every_design_trains_on_real_images(design: str, tmp_path: Path) -> None:
    recipe = replace(small(steps=8, warmup=0, learning_rate=0.02, evaluate_every=100), design=design)
    result = resunit.train(recipe, out=tmp_path / design, quiet=True)
    assert result["status"] == "done"
    assert result["images_seen"] == 512
    assert 0 < result["test_error"] < 100
    log = [json.loads(line) for line in (tmp_path / design / "log.jsonl").read_text().splitlines()]
    assert log[-1]["train_loss"] < 3.5  # chance is 2.3
    stored = resunit.create_model(weights=tmp_path / design / "weights.safetensors").state_dict()
    fresh = resunit.create_model("resnet20", design=design).state_dict()
    assert stored.keys() == fresh.keys()


def test_training_lowers_the_loss_on_images_it_sees_again(tmp_path: Path) -> None:
    recipe = small(steps=60, flip="none", padding=0, evaluate_every=100, learning_rate=0.05, warmup=0)
    resunit.train(replace(recipe, model="preresnet20"), out=tmp_path / "run", quiet=True)
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert log[-1]["train_loss"] < 2.1


def test_the_run_folder_holds_what_was_promised(tmp_path: Path) -> None:
    result = resunit.train(small(), out=tmp_path / "run", quiet=True)
    folder = tmp_path / "run"
    assert {path.name for path in folder.iterdir()} == {
        "recipe.json", "environment.json", "log.jsonl", "checkpoints", "weights.safetensors", "result.json",
        "evaluation.json", "report.html",
    }  # fmt: skip
    assert json.loads((folder / "result.json").read_text()) == result
    promised = (
        "model design parameters test_error best_test_error best_epoch seed steps images_seen train_flops "
        "wall_seconds images_per_second status"
    )
    assert set(promised.split()) <= set(result)
    confusion = torch.tensor(json.loads((folder / "evaluation.json").read_text())["confusion"])
    assert 100 * (1 - confusion.trace() / confusion.sum()) == pytest.approx(result["test_error"])
    assert json.loads((folder / "environment.json").read_text())["threads"] == torch.get_num_threads()


def test_a_step_updates_each_batch_norm_once_a_group(tmp_path: Path) -> None:
    """The known mistake of recomputed activations: running statistics that move twice."""
    resunit.train(small(steps=3, ghost_batch_size=32), out=tmp_path / "run", quiet=True)
    counts = [
        t for n, t in load_file(tmp_path / "run" / "weights.safetensors").items() if n.endswith("tracked")
    ]
    assert counts
    assert all(int(count) == 3 * 2 for count in counts)


def test_a_validation_split_leaves_the_test_set_alone(tmp_path: Path) -> None:
    result = resunit.train(small(validation=100), out=tmp_path / "run", quiet=True)
    assert result["test_error"] is None
    assert result["best_test_error"] is None
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert evaluation["split"] == "validation"
    assert sum(map(sum, evaluation["confusion"])) == 100


def test_a_non_finite_loss_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    recipe = replace(small(steps=40, checkpoint_every=1, learning_rate=1e30, warmup=0), design="plain")
    result = resunit.train(recipe, out=tmp_path / "run", quiet=True)
    assert result["status"] == "diverged"
    assert result["test_error"] is None
    assert not (tmp_path / "run" / "weights.safetensors").exists()
    for path in (tmp_path / "run" / "checkpoints").glob("*.safetensors"):
        assert all(tensor.isfinite().all() for tensor in load_file(path).values())
    with pytest.raises(OSError, match="diverged at step"):
        resunit.training.loop.resume(tmp_path / "run", quiet=True)


def test_two_processes_equal_one_with_two_groups(tmp_path: Path) -> None:
    arguments = ["train", "--model", "preresnet20", "--recipe", "paper", "--data", "cifar10-sample"]
    arguments += ["--steps=3", "--batch-size=64", "--ghost-batch-size=32", "--precision=fp32"]
    one = [sys.executable, "-m", "resunit", *arguments, "--out", str(tmp_path / "one")]
    two = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node=2",
        "--standalone",
        "-m",
        "resunit",
    ]
    subprocess.run(one, check=True, capture_output=True)
    subprocess.run([*two, *arguments, "--out", str(tmp_path / "two")], check=True, capture_output=True)
    single, double = (load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two"))
    for name, tensor in single.items():
        if "num_batches_tracked" not in name:
            torch.testing.assert_close(double[name], tensor, rtol=1e-3, atol=1e-4)


def test_a_folder_is_not_taken_for_another_recipe_s(tmp_path: Path) -> None:
    recipe = small(steps=1, batch_size=8, evaluation_images=8)
    first = train_or_resume(recipe, tmp_path / "run", quiet=True)
    assert train_or_resume(recipe, tmp_path / "run", quiet=True) == first
    with pytest.raises(RunError, match=r"run: a run with steps 1, not 2; choose another folder"):
        train_or_resume(replace(recipe, steps=2), tmp_path / "run", quiet=True)
