"""The evidence: records that ship with the package, and those in a folder of results."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resunit.errors import FileFormatError
from resunit.io.fields import to_json
from resunit.reproduction.evidence.records import SHIPPED, read_evidence, read_records, records_path
from resunit.reproduction.experiments.identity import identity_of, recipe_hash
from resunit.reproduction.experiments.scales import SCALES, recipe_for
from resunit.reproduction.experiments.setting import recipe_of_scale
from resunit.reproduction.paper.tables import TABLES
from resunit.runs.record_files import append_records
from resunit.runs.schema import ExperimentRecord
from resunit.training.recipes import named_recipe
from tests.reproduction.made_up_runs import ORIGINAL, runs
from tests.reproduction.real_records import MINI

CIFAR10 = "c67dd30998a25b124ee62587bee072f9840db8fbf53d28d28ec00ee196d3159c"  # `load("cifar10").checksum`
# The checksum of `with_averaged_images(load("cifar10"), 16)`.
CIFAR10_OF_16_PIXELS = "f44d67751bb5e9c0829b3ce6a390383d79882345819d63b0e86186bd405cb957"
# The recipe of the scale "mini", which is no more.
MINI_RECIPE = replace(
    named_recipe("paper"), steps=400, batch_size=64, ghost_batch_size=None, warmup=0.06, milestones=(0.7,),
)  # fmt: skip
FILES = [MINI, *sorted(SHIPPED.glob("*.jsonl"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_committed_records_are_of_the_newest_format_and_each_run_stands_once(path: Path) -> None:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert {line["format"] for line in lines} == {ExperimentRecord.FORMAT}
    assert lines == [to_json(record) for record in read_records(path)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_identities_of_committed_records_come_out_again(path: Path) -> None:
    """An identity holds every field of the recipe, under the names that fields had when it was made."""
    for record in read_records(path):
        recipe = replace(
            MINI_RECIPE if record.scale == "mini" else SCALES[record.scale](),
            model=record.model,
            design=record.design,
            model_options=record.options,
            seed=record.seed,
            data=record.data,
            steps=record.steps,
            batch_size=record.batch_size,
            precision=record.precision,
        )
        checksum = CIFAR10_OF_16_PIXELS if recipe.image_size == 16 else CIFAR10
        assert identity_of(recipe, checksum) == record.identity
        assert record.recipe == recipe_hash(recipe.to_json()) == recipe_of_scale(record.scale)


def test_records_in_the_folder_of_results_stand_beside_those_that_ship(
    tmp_path: Path, nothing_ships: Path
) -> None:
    shipped = runs(ORIGINAL, 50.0)
    append_records(nothing_ships / "laptop.jsonl", shipped)
    again, new = replace(shipped[0], test_error=1.0), replace(shipped[1], identity="new")
    append_records(records_path(tmp_path, "laptop"), [again, new])
    assert read_evidence(tmp_path, "laptop") == [again, *shipped[1:], new]
    assert read_evidence(tmp_path / "absent", "laptop") == shipped
    assert read_evidence(tmp_path, "smoke") == []


def test_the_first_records_are_read(tmp_path: Path) -> None:
    """Format 1 had no number, no recipe, other names, and its measures beside the step."""
    record = read_records(MINI)[0]
    older = {
        name: value for name, value in to_json(record).items() if name not in ("format", "recipe", "split")
    }
    older["memory"] = older.pop("activation_checkpointing")
    older["propagation"] = [
        {"step": point.step}
        | {{"negative_share": "truncated"}.get(k, k): list(v) for k, v in point.measures.items()}
        for point in record.propagation
    ]
    path = tmp_path / "older.jsonl"
    path.write_text(json.dumps(older) + "\n")
    assert read_records(path) == [record]


@pytest.mark.parametrize(
    ("status", "steps", "expected"), [("done", (380, 390, 400), 2.5), ("done", (300, 400), None),
                                      ("diverged", (380, 390, 400), None)]
)  # fmt: skip
def test_training_error_of_format_2_is_taken_from_the_curve(
    tmp_path: Path, status: str, steps: tuple[int, ...], expected: float | None
) -> None:
    """Format 2 had a mean over about the last tenth; it is the last twentieth, or unknown."""
    record = to_json(read_records(MINI)[0])
    curve = [{"step": step, "train_loss": float(i), "train_error": 1.0 + i} for i, step in enumerate(steps)]
    older = record | {"format": 2, "status": status, "curve": curve, "train_loss": 7.0, "train_error": 70.0}
    path = tmp_path / "older.jsonl"
    path.write_text(json.dumps(older) + "\n")
    (read,) = read_records(path)
    assert read.train_error == expected
    assert read.train_loss == (None if expected is None else expected - 1.0)
    assert read.propagation, "what format 1 alone had otherwise is left as it is"


@pytest.mark.parametrize("change", [{"format": 9}, {"numerics": 0}, {"seed": "one"}, {"sead": 1}])
def test_records_that_cannot_be_compared_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    record = to_json(read_records(MINI)[0])
    path = tmp_path / "records.jsonl"
    path.write_text(json.dumps(record) + "\n" + json.dumps(record | change) + "\n")
    with pytest.raises(FileFormatError, match=r"records\.jsonl, line 2"):
        read_records(path)


def test_a_recipes_hash_holds_what_no_record_states() -> None:
    table1 = TABLES["table1"].rows

    def hashed(row: int = 0, seed: int = 0, scale: str = "laptop", **changes: Any) -> str:
        return recipe_hash(recipe_for(table1[row], scale, seed, None, changes).to_json())

    same = {
        hashed(),
        hashed(row=5, seed=2),
        hashed(steps=40),
        hashed(precision="fp32"),
        hashed(activation_checkpointing="small"),
    }
    assert same == {recipe_of_scale("laptop")}
    others = [hashed(learning_rate=0.2), hashed(padding=3), hashed(validation=5000),
              hashed(ghost_batch_size=32), hashed(scale="paper")]  # fmt: skip
    assert len({*others, *same}) == 6
