"""Records of older formats brought to the next format, step by step; `runs/record_files.py` calls these.

Records of format 1 had no format number.
"""

from typing import Any

from resunit.runs.end_of_training import mean_at_the_end


def upgrade_result(record: dict[str, Any]) -> dict[str, Any]:
    """Return a result in format 2. Format 1 had a key for each view, such as test_error_mirrored_views."""
    split = "validation" if "validation_error" in record else "test"
    names = {
        "mirror": "mirrored_views",
        "tta": "augmented_views",
        "large_crop": "large_crop",
        "ten_crops": "ten_crops",
    }
    views = []
    for view, name in names.items():
        error = record.pop(f"{split}_error_{name}", None)
        top5 = record.pop(f"{split}_top5_error_{name}", None)
        if error is not None:
            views.append({"view": view, "error": error, "top5_error": top5})
    return {"evaluation_flops": 0, **record, "split": split, "views": views}


def upgrade_log_line(record: dict[str, Any]) -> dict[str, Any]:
    """Return a log line in format 2. Format 1 named loss, error and images after the split."""
    split = "validation" if "validation_error" in record else "test"
    for name in ("loss", "error", "images"):
        record[name] = record.pop(f"{split}_{name}", 0 if name == "images" else None)
    return {**record, "split": split}


_NOT_MEASURES = ("format", "step", "epoch", "junctions", "unseen", "refused")


def upgrade_propagation_line(record: dict[str, Any]) -> dict[str, Any]:
    """Return a measurement in format 2. Format 1 had the measures beside the other fields."""
    measures = {name: value for name, value in record.items() if name not in _NOT_MEASURES}
    return {name: value for name, value in record.items() if name in _NOT_MEASURES} | {"measures": measures}


def upgrade_environment(record: dict[str, Any]) -> dict[str, Any]:
    """Return an environment in format 2. Format 1 called the world size "workers"."""
    record["world_size"] = record.pop("workers", 1)
    return record


# Format 1 of experiments named these measures otherwise than the instrument does.
_SHORT_MEASURES = {"truncated": "negative_share"}


def upgrade_experiment(record: dict[str, Any]) -> dict[str, Any]:
    """Return an experiment in format 2. Format 1 had the measures beside the step and two other names."""
    points = [
        {
            "step": point["step"],
            "measures": {
                _SHORT_MEASURES.get(name, name): value for name, value in point.items() if name != "step"
            },
        }
        for point in record.get("propagation") or ()
    ]
    record["activation_checkpointing"] = record.pop("memory", None)
    if "widening" in (options := dict(record.get("options") or {})):
        options["shortcut_option"] = options.pop("widening")
    return {**record, "options": options, "split": record.get("split") or "test", "propagation": points}


def upgrade_end_of_training(record: dict[str, Any]) -> dict[str, Any]:
    """Return an experiment in format 3, whose training loss and error are means over the last twentieth of the steps.

    Format 2 had means over about the last tenth. The new means are computed from the curve if it has a point at
    which the last twentieth begins; otherwise they are not known.
    """
    for name in ("train_loss", "train_error"):
        means = [(point["step"], point.get(name)) for point in record.get("curve") or ()]
        is_done = record.get("status") == "done"
        record[name] = mean_at_the_end(means, record["steps"]) if is_done else None
    return record
