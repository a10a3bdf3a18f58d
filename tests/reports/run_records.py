"""Records of a run, invented so that they could be real."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
Records = dict[str, Any]


def log(epochs: int = 18, split: str = "test") -> list[Records]:
    lines = []
    for epoch in range(1, epochs + 1):
        done = epoch / 18
        lines.append(
            {
                "step": 390 * epoch,
                "epoch": epoch,
                "train_loss": 1.9 * (1 - done) ** 1.5 + 0.12,
                "train_error": round(66 * (1 - done) ** 1.6 + 4.1, 2),
                f"{split}_loss": 1.6 * (1 - done) ** 1.4 + 0.27 + 0.1 * (epoch % 3 == 0) * (1 - done),
                f"{split}_error": round(55 * (1 - done) ** 1.7 + 8.31 + 6 * (epoch % 3 == 0) * (1 - done), 2),
                "learning_rate": 0.1 * min(epoch / 4, (19 - epoch) / 15),
                "images_per_second": 931.0,
                "seconds": 53.7 * epoch,
            }
        )
    return lines


def picture(seed: int) -> str:
    """A PNG of blurred noise: 32 x 32 pixels, smooth as a photograph is."""
    coarse = np.random.default_rng(seed).integers(30, 226, (5, 5, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((32, 32), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def evaluation(classes: list[str] = CLASSES, split: str = "test", mistakes: int = 24) -> Records:
    size = len(classes)
    counts = np.random.default_rng(0).poisson(60 / size, (size, size))
    if size == 10:
        counts[3, 5], counts[5, 3], counts[9, 1], counts[1, 9] = 85, 70, 24, 31
    np.fill_diagonal(counts, 0)
    np.fill_diagonal(counts, 1000 - counts.sum(1))
    pairs = [(3, 5), (5, 3), (2, 4), (1, 9), (0, 8), (7, 4)]
    return {
        "split": split,
        "classes": classes,
        "confusion": counts.tolist(),
        "mistakes": [
            {
                "index": 137 * i,
                "true": classes[pairs[i % 6][0] % size],
                "predicted": classes[pairs[i % 6][1] % size],
                "probability": 0.9996 - 0.002 * i,
                "true_probability": 0.0002 + 0.001 * i,
                "image": picture(i),
            }
            for i in range(mistakes)
        ],
    }


def records() -> Records:
    return {
        "recipe": {
            "name": "quick",
            "model": "preresnet20",
            "design": None,
            "data": "cifar10",
            "seed": 0,
            "model_options": {},
            "validation": 0,
            "epochs": 18,
            "steps": None,
            "batch_size": 128,
            "ghost_batch_size": None,
            "optimizer": "sgd",
            "learning_rate": 0.1,
            "momentum": 0.9,
            "nesterov": True,
            "weight_decay": 0.0005,
            "schedule": "steps",
            "milestones": [0.5, 0.75],
            "precision": "bf16",
            "checkpoint_every": None,
        },
        "environment": {
            "python": "3.11.2",
            "torch": "2.14.1",
            "resunit": "0.1.0",
            "commit": "269616b",
            "machine": "x86_64",
            "processor": "AMD EPYC 9B14",
            "threads": 2,
            "device": "cpu",
            "precision": "bf16",
        },
        "log": log(),
        "result": {
            "model": "preresnet20",
            "design": "full-preactivation",
            "parameters": 272282,
            "test_error": 8.31,
            "best_test_error": 8.19,
            "best_epoch": 17,
            "seed": 0,
            "steps": 7020,
            "images_seen": 898560,
            "train_flops": 2.19e14,
            "wall_seconds": 968.3,
            "images_per_second": 931.0,
            "status": "done",
        },
        "evaluation": evaluation(),
    }
