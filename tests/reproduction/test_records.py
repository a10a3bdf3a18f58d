"""Records as they are read, and those that are committed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resunit.io.jsonl import append_lines, read_lines
from resunit.reproduction.identity import identity_of, recipe_hash
from resunit.reproduction.records import read_records
from resunit.reproduction.scales import SCALES, recipe_for
from resunit.reproduction.setting import recipe_of_scale
from resunit.reproduction.tables import TABLES

COMMITTED = Path(__file__).parents[2] / "results" / "reproduce-mini.jsonl"
CIFAR10 = "c67dd30998a25b124ee62587bee072f9840db8fbf53d28d28ec00ee196d3159c"  # `load("cifar10").checksum`


def test_committed_records_are_of_the_recipe_that_they_are_taken_for() -> None:
    """Their identities, which hold every field of the recipe, come out again."""
    for record in read_records(COMMITTED):
        stated = {name: record[name] for name in ("model", "design", "seed", "data", "steps", "batch_size",
                                                  "precision")}  # fmt: skip
        recipe = replace(SCALES[record["scale"]](), model_options=record["options"], **stated)
        assert identity_of(recipe, CIFAR10) == record["identity"]
        assert record["recipe"] == recipe_hash(recipe.to_json()) == recipe_of_scale("mini")


def test_a_recipes_hash_holds_what_no_record_states() -> None:
    table1 = TABLES["table1"].rows

    def hashed(row: int = 0, seed: int = 0, scale: str = "mini", **changes: Any) -> str:
        return recipe_hash(recipe_for(table1[row], scale, seed, None, changes).to_json())

    same = {
        hashed(),
        hashed(row=5, seed=2),
        hashed(steps=40),
        hashed(precision="fp32"),
        hashed(activation_checkpointing="small"),
    }
    assert same == {recipe_of_scale("mini")}
    others = [hashed(learning_rate=0.2), hashed(padding=3), hashed(validation=5000),
              hashed(ghost_batch_size=32), hashed(scale="paper")]  # fmt: skip
    assert len({*others, *same}) == 6


@pytest.mark.parametrize("last", ['{"a": 2}', '{"a": 2', "2", ""])
def test_a_last_line_without_its_end_stays_if_it_is_whole(tmp_path: Path, last: str) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text('{"a": 1}\n' + last)
    append_lines(path, [{"a": 3}])
    expected = [1, 2, 3] if last == '{"a": 2}' else [1, 3]
    assert [record["a"] for record in read_lines(path)] == expected
    assert json.loads(path.read_text().splitlines()[-1]) == {"a": 3}
