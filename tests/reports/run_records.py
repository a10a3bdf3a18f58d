"""Records of a run, invented so that they could be real, and the folder that holds them."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from resunit.runs.record_files import append_records, write_file, write_json
from resunit.runs.schema import (
    Environment,
    Evaluation,
    LogLine,
    Prediction,
    PropagationLine,
    RunResult,
    SplitName,
)

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

RECIPE: Mapping[str, Any] = {
    "name": "quick",
    "model": "preresnet20",
    "design": None,
    "data": "cifar10",
    "seed": 0,
    "model_options": {"gate_bias": -3.0},
    "validation": 0,
    "epochs": 18,
    "steps": None,
    "batch_size": 128,
    "ghost_batch_size": None,
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "momentum": 0.9,
    "nesterov": False,
    "weight_decay": 0.0005,
    "schedule": "steps",
    "milestones": [0.5, 0.75],
    "precision": "bf16",
    "tta": True,
    "checkpoint_every": None,
    "format": 2,
}

ENVIRONMENT = Environment(
    resunit="0.1.0",
    commit="269616b",
    python="3.11.2",
    torch="2.14.1",
    torchvision="0.29.1",
    numpy="2.4.0",
    machine="x86_64",
    processor="AMD EPYC 9B14",
    cpu_capability="AVX512",
    batch_norm="compiled",
    threads=2,
    cores=2,
    device="cpu",
    gpu=None,
    world_size=1,
    precision="bf16",
)

RESULT = RunResult(
    model="preresnet20",
    design="full-preactivation",
    data="cifar10",
    recipe="quick",
    precision="bf16",
    seed=0,
    status="done",
    parameters=272_282,
    steps=7020,
    images_seen=898_560,
    train_flops=219_000_000_000_000,
    evaluation_flops=14_700_000_000_000,
    wall_seconds=968.3,
    images_per_second=931.0,
    test_error=8.31,
    best_test_error=8.19,
    best_epoch=17.0,
)


def log(epochs: int = 18, split: SplitName = "test") -> list[LogLine]:
    """Return the evaluations of the first `epochs` epochs of 18; each third is worse than its neighbours."""
    lines = []
    for epoch in range(1, epochs + 1):
        done = epoch / 18
        setback = (epoch % 3 == 0) * (1 - done)
        line = LogLine(
            step=390 * epoch,
            epoch=float(epoch),
            train_loss=1.9 * (1 - done) ** 1.5 + 0.12,
            train_error=round(66 * (1 - done) ** 1.6 + 4.1, 2),
            split=split,
            loss=1.6 * (1 - done) ** 1.4 + 0.27 + 0.1 * setback,
            error=round(55 * (1 - done) ** 1.7 + 8.31 + 6 * setback, 2),
            images=10_000,
            learning_rate=0.1 * min(epoch / 4, (19 - epoch) / 15),
            images_per_second=931.0,
            seconds=53.7 * epoch,
        )
        lines.append(line)
    return lines


def picture(seed: int) -> str:
    """Return a PNG of blurred noise as a data URI: 32 x 32 pixels, smooth as a photograph is."""
    coarse = np.random.default_rng(seed).integers(30, 226, (5, 5, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((32, 32), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def predictions(classes: Sequence[str] = CLASSES, count: int = 24) -> tuple[Prediction, ...]:
    """Return answers, of which every fifth one is wrong."""
    size = len(classes)
    return tuple(
        Prediction(
            index=400 * i,
            true=classes[i % size],
            predicted=classes[(i if i % 5 else i + 1) % size],
            probability=0.97,
            true_probability=0.97 if i % 5 else 0.01,
            image=picture(100 + i),
        )
        for i in range(count)
    )


def evaluation(classes: Sequence[str] = CLASSES, split: SplitName = "test", mistakes: int = 24) -> Evaluation:
    """Return an evaluation on 1,000 images a class; with ten classes, cat and dog are confused most."""
    size = len(classes)
    counts = np.random.default_rng(0).poisson(60 / size, (size, size))
    if size == 10:
        counts[3, 5], counts[5, 3], counts[9, 1], counts[1, 9] = 85, 70, 24, 31
    np.fill_diagonal(counts, 0)
    np.fill_diagonal(counts, 1000 - counts.sum(1))
    pairs = [(3, 5), (5, 3), (2, 4), (1, 9), (0, 8), (7, 4)]
    worst = (
        Prediction(
            index=137 * i,
            true=classes[pairs[i % 6][0] % size],
            predicted=classes[pairs[i % 6][1] % size],
            probability=0.9996 - 0.002 * i,
            true_probability=0.0002 + 0.001 * i,
            image=picture(i),
        )
        for i in range(mistakes)
    )
    return Evaluation(split, tuple(classes), tuple(map(tuple, counts.tolist())), tuple(worst))


def write_run(
    folder: Path,
    *,
    recipe: Mapping[str, Any] = RECIPE,
    environment: Environment | None = ENVIRONMENT,
    lines: Sequence[LogLine] | None = None,
    propagation: Sequence[PropagationLine] = (),
    result: RunResult | None = RESULT,
    evaluated: Evaluation | None = None,
) -> Path:
    """Write a run's folder and return it; the log is of 18 epochs unless `lines` says otherwise."""
    folder.mkdir()
    write_json(folder / "recipe.json", recipe)
    append_records(folder / "log.jsonl", log() if lines is None else lines)
    if propagation:
        append_records(folder / "propagation.jsonl", propagation)
    for name, record in (("environment", environment), ("result", result), ("evaluation", evaluated)):
        if record is not None:
            write_file(folder / f"{name}.json", record)
    return folder
