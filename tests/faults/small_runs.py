"""Runs that take a second, and what has to be equal at their ends."""

import atexit
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import torch
from torch import Tensor

import resunit
from resunit.io.fields import to_json
from resunit.runs.folder import RunFolder
from resunit.training.checkpoints import find_newest_checkpoint
from resunit.training.recipe import with_changes
from resunit.training.recipes import named_recipe
from tests.faults.disturbed import Ended, run
from tests.training.command_lines import Value, options

# Dropout, shifts and mirrored images draw random numbers in every step, and each step adds up two ghost batches.
SMALL: dict[str, Value] = {
    "model": "preresnet20", "design": "dropout-shortcut", "data": "cifar10-sample", "image_size": 8, "padding": 2,
    "steps": 6, "batch_size": 8, "ghost_batch_size": 4, "checkpoint_every": 1, "evaluate_steps": 2,
    "evaluation_images": 33, "precision": "fp32",
}  # fmt: skip
TIMINGS = (
    "seconds",
    "training_seconds",
    "seen_seconds",
    "log_bytes",
)  # A time of another length is another offset.


def begin(out: Path, recipe: str = "paper", **changes: Value) -> list[str]:
    """Return the arguments that start a small run in the folder `out`."""
    return ["train", "--recipe", recipe, *options(SMALL | changes), "--out", str(out)]


def go_on(out: Path) -> list[str]:
    """Return the arguments that resume a run."""
    return ["train", "--resume", str(out)]


def bring_to_its_end(out: Path, start: list[str], where: Path) -> Ended:
    """Run in `out` what a user would after a crash: resume the run, or start it if it had not begun."""
    return run(go_on(out) if (out / "recipe.json").exists() else start, where)


@cache
def plain_run() -> Path:
    """Return the folder of a small run of this process, which nothing disturbs."""
    out = Path(mkdtemp(prefix="resunit-faults-")) / "run"
    atexit.register(rmtree, out.parent)
    resunit.train(with_changes(named_recipe("paper"), SMALL), out=out, quiet=True)
    return out


def undisturbed(
    where: Path, recipe: str = "paper", name: str = "undisturbed", **changes: Value
) -> dict[str, Any]:
    """Return the end of a small run that nothing disturbs, in the folder `name` of `where`; it is trained once."""
    plain, out = plain_run(), where / name
    if recipe == "paper" and not changes:
        return final(plain)
    if not out.exists():
        ended = run(begin(out, recipe, **changes), where)
        assert ended.code == 0, ended.output
    return final(out)


def final(folder: Path) -> dict[str, Any]:
    """Return all that a finished run left, apart from timings: weights, optimizer, state, log, records."""
    stored = RunFolder(folder)
    result = stored.read_result()
    assert result is not None
    assert result.status == "done"
    assert stored.report.exists()
    checkpoint = find_newest_checkpoint(stored.checkpoints)
    assert checkpoint is not None
    return {
        "weights": stored.weights.read_bytes(),
        "network": _plain(checkpoint.network),
        "optimizer": _plain(checkpoint.optimizer),
        "kept": _plain(checkpoint.kept),
        "state": {name: value for name, value in to_json(checkpoint.state).items() if name not in TIMINGS},
        "log": [replace(line, seconds=None, images_per_second=None) for line in stored.read_log()],
        "propagation": stored.read_propagation(),
        "evaluation": stored.evaluation.read_bytes(),
        "result": replace(result, wall_seconds=0.0, images_per_second=None),
    }


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, tuple[str, bytes]]:
    return {name: (str(tensor.dtype), _bytes_of(tensor)) for name, tensor in tensors.items()}


def _bytes_of(tensor: Tensor) -> bytes:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def problems_at_the_end(ended: Ended, folder: Path, expected: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a run that was disturbed and has come to its end; nothing should be."""
    if ended.code != 0:
        return [f"exit code {ended.code}: {ended.output}"]
    found = final(folder)
    return [f"{name} differs" for name in expected if found[name] != expected[name]] + [
        f"{name} is left" for name in litter(folder)
    ]


def litter(folder: Path) -> list[str]:
    """Return the half-written files in a run's folder."""
    return [path.name for path in folder.rglob("*.partial")]
