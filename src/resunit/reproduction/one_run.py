"""One run in a process of its own."""

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from resunit.errors import RunError
from resunit.io.atomic import write_atomically
from resunit.io.jsonl import read_lines
from resunit.models.custom import add_design
from resunit.models.designs import DESIGNS
from resunit.reproduction.experiment import Experiment
from resunit.reproduction.identity import recipe_hash
from resunit.reproduction.networks import Network, network
from resunit.runs.folder import RunFolder
from resunit.training.devices import MEMORY
from resunit.training.loop import train_or_resume

OUTPUT = "output.txt"  # of a run's folder: what its process printed
STOPPED = 4
END = 0.1  # the share of the steps, at the end, that training loss and error are means of
FURTHER = ("top5_error", "error_large_crop", "top5_error_large_crop")
MEASURES = {
    "stream_rms": "stream_rms",
    "gradient_gain": "gradient_gain",
    "lambda_product": "lambda_product",
    "truncated": "negative_share",
    "energy_cut": "energy_cut",
}


def perform(folder: Path) -> dict[str, Any] | None:
    """Train the experiment in `folder`, or go on with it; its record, or None if it was stopped.

    Raises what training raises.
    """
    experiment = Experiment.stored(folder)
    if ":" in experiment.recipe["design"]:  # named by whoever runs the table
        add_design(experiment.recipe["design"])
    result = train_or_resume(experiment.to_recipe(), folder / "run", quiet=True)
    if result["status"] == "stopped":
        return None
    return record_of(experiment, RunFolder(folder / "run"), result)


def record_of(experiment: Experiment, run: RunFolder, result: Mapping[str, Any]) -> dict[str, Any]:
    """The line of results/*.jsonl about a run that ended; losses and errors of diverged runs are None.

    What it calls test errors are those of the images that the run was judged on: `split` says which.
    """
    recipe, environment = run.read("recipe.json"), run.read("environment.json")
    lines = read_lines(run.log)
    split = "validation" if "validation_error" in result else "test"
    done = result["status"] == "done"
    last = [line for line in lines if done and line["step"] > (1 - END) * result["steps"]]
    return described(experiment) | {
        "steps_done": result["steps"],
        "status": result["status"],
        "split": split,
        "classes": len(run.read("evaluation.json")["classes"]) if done else None,
        "test_error": result[f"{split}_error"],
        "test_loss": lines[-1].get(f"{split}_loss") if done else None,
        **{f"test_{name}": result[f"{split}_{name}"] for name in FURTHER if f"{split}_{name}" in result},
        "train_loss": _mean(last, "train_loss"),
        "train_error": _mean(last, "train_error"),
        **{name: result[name] for name in ("parameters", "train_flops", "wall_seconds", "images_per_second")},
        "precision": result["precision"],
        "memory": recipe["activation_checkpointing"],
        **{name: environment[name] for name in ("threads", "cores", "torch", "commit", "batch_norm")},
        "machine": environment["processor"],
        "version": environment["resunit"],
        "curve": [
            {name: line.get(name) for name in ("step", "train_loss", "train_error")}
            | {f"test_{name}": line.get(f"{split}_{name}") for name in ("error", "images")}
            for line in lines
        ],
        "propagation": [
            {"step": line["step"], **{short: line[name] for short, name in MEASURES.items() if name in line}}
            for line in read_lines(run.path / "propagation.jsonl")
        ],
    }


def described(experiment: Experiment, status: str = "failed", error: str | None = None) -> dict[str, Any]:
    """The part of a record that is known before the run."""
    recipe = experiment.recipe
    named = recipe["model"], recipe["design"]
    if recipe["design"] in DESIGNS:
        chosen = network(*named, **recipe["model_options"])
    else:  # somebody's own, which a report need not import
        chosen = Network(*named, recipe["model_options"])
    return {
        "table": experiment.table,
        "row": experiment.row,
        "model": chosen.model,
        "design": chosen.design,
        "options": dict(chosen.options),
        "data": recipe["data"],
        "crop": recipe["crop"],
        "scale": experiment.scale,
        "steps": recipe["steps"],
        "batch_size": recipe["batch_size"],
        "precision": recipe["precision"],
        "seed": experiment.seed,
        "status": status,
        "error": error,
        "test_error": None,
        "train_loss": None,
        "recipe": recipe_hash(recipe),
        "numerics": experiment.numerics,
        "identity": experiment.identity,
    }


def _mean(lines: list[dict[str, Any]], name: str) -> float | None:
    values = [line[name] for line in lines if line[name] is not None]
    return sum(values) / len(values) if values else None


def stop_with_the_runner() -> None:
    """Ask this process to stop once the runner is gone, however that ended."""
    runner = multiprocessing.parent_process()
    assert runner is not None

    def watch() -> None:
        runner.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def when_free(folder: Path) -> None:
    """Wait until no process of an earlier runner is at this run.

    One whose runner was killed leaves after its step, or its last evaluation, however long that takes; and a
    lock ends with its process, so the wait is for a run that gets done.
    """
    run = RunFolder(folder / "run")
    while run.path.exists():
        try:
            with run.only_user():
                return
        except RunError:
            time.sleep(0.5)


def one_run(folder: Path, threads: int, memory: int | None) -> None:
    """What the process of a run does, on `threads` threads and with `memory` bytes, or what there is.

    It leaves record.json, or a reason in the last line of `OUTPUT`; exits with `STOPPED` if it can go on.
    """
    output = os.open(folder / OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    if "OMP_NUM_THREADS" not in os.environ:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # for libraries loaded from now on
        torch.set_num_threads(threads)
    if memory is not None:
        os.environ[MEMORY] = str(memory)
    stop_with_the_runner()
    try:
        when_free(folder)
        record = perform(folder)
    except Exception as error:  # its last line becomes the record's "error"
        traceback.print_exc()
        print(" ".join(f"{type(error).__name__}: {error}".split()), file=sys.stderr)
        sys.exit(1)
    if record is None:
        sys.exit(STOPPED)
    write_atomically(folder / "record.json", (json.dumps(record, allow_nan=False) + "\n").encode())
