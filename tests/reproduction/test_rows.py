"""The tables as data: the paper's numbers, and networks that exist."""

import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resunit.errors import UsageError
from resunit.models.registry import network_spec
from resunit.models.summary import build_two_units_a_stage
from resunit.reproduction.experiments.experiment import PlannedRun, RowsLeftOut, plan_experiments
from resunit.reproduction.experiments.identity import identity_of
from resunit.reproduction.experiments.scales import SCALES, recipe_for
from resunit.reproduction.paper.rows import FAIL
from resunit.reproduction.paper.tables import TABLES, Table
from resunit.training.recipes import named_recipe
from tests.data.photographs import write_photographs

PUBLISHED = {  # He et al. 2016, Tables 1 to 3
    "table1": [6.61, FAIL, FAIL, 12.35, FAIL, 8.70, 9.81, 12.86, 6.91, 12.22, FAIL],
    "table2": [6.61, 8.17, 7.84, 6.71, 6.37, 5.93, 6.50, 6.14, 5.91, 5.46],
    "table3": [9.90, 8.91, 6.61, 6.37, 5.93, 5.46, 7.61, 4.92, 25.16, 24.33, 27.82, 22.71],
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_table_has_the_published_errors_in_the_papers_order(name: str) -> None:
    assert [row.published for row in TABLES[name].rows] == PUBLISHED[name]


def test_other_methods_are_quoted_and_not_run() -> None:
    outside = {row.id: row.published for row in TABLES["table4"].rows if row.network is None}
    assert outside["cifar10-Highway"] == 7.72
    assert outside["cifar100-FitResNet-LSUV"] == 27.66
    assert len(outside) == 14


def test_table_5_has_crops_and_both_errors_in_the_papers_order() -> None:
    rows = TABLES["table5"].rows
    found = [(row.crop, 320 if row.large_crop else 224, row.published, row.published_top5) for row in rows]
    assert found == [
        ("scale", 224, 23.0, 6.7),
        ("scale", 320, 21.3, 5.5),
        ("scale", 320, 21.1, 5.5),
        ("scale", 320, 21.8, 6.0),
        ("scale", 320, 20.7, 5.3),
        ("scale-aspect", 320, 20.1, 4.8),
        ("shift", 224, 21.2, 5.6),  # Inception v3, which is quoted
        ("scale", 224, 23.6, 7.1),
        ("scale", 224, 24.6, 7.5),
    ]
    networks = [(row.network.model, row.network.design) for row in rows if row.network is not None]
    assert networks == [
        ("resnet152", "original"), ("resnet152", "original"), ("resnet152", "full-preactivation"),
        ("resnet200", "original"), ("resnet200", "full-preactivation"), ("resnet200", "full-preactivation"),
        ("resnet101", "original"), ("resnet101", "bn-after-addition"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_every_row_names_a_network_that_can_be_built(name: str) -> None:
    rows = TABLES[name].rows
    assert len({row.id for row in rows}) == len(rows)
    for row in rows:
        if row.network is None:
            continue
        spec = network_spec(row.network.model, design=row.network.design, **row.network.options)
        assert spec.design_options == row.network.options, "all options are written out"
        build_two_units_a_stage(spec)


@pytest.mark.parametrize("name", [name for name, table in TABLES.items() if table.panels])
def test_panels_name_rows_of_their_figure(name: str) -> None:
    ids = {row.id for row in TABLES[name].rows}
    assert {row for panel in TABLES[name].panels for row in panel.rows} == ids


def test_rows_of_a_network_share_one_precision() -> None:
    """ReLU after each of 333 additions does not train in bf16; then pre-activation does not get it either."""
    rows = {row.id: row for row in TABLES["table3"].rows}
    precisions = {
        name: recipe_for(rows[name], "eighth", 0, None, {}).precision
        for name in ("110-original", "110-preactivation", "1001-original", "1001-preactivation")
    }
    assert precisions["110-original"] == precisions["110-preactivation"]
    assert precisions["1001-original"] == precisions["1001-preactivation"] == "fp32"


def test_half_of_the_batch_halves_its_groups() -> None:
    rows = {row.id: row for row in TABLES["table4"].rows}
    whole = recipe_for(rows["1001-preactivation"], "paper", 0, None, {})
    half = recipe_for(rows["1001-preactivation-half"], "paper", 0, None, {})
    assert (whole.batch_size, whole.ghost_batch_size) == (128, 64)
    assert (half.batch_size, half.ghost_batch_size) == (64, 32)
    assert (half.steps, half.milestones) == (156_250, (0.405, 0.61))
    published = named_recipe("fb")
    for name in ("learning_rate", "weight_decay", "nesterov", "schedule", "warmup", "normalisation"):
        assert getattr(half, name) == getattr(published, name)


def test_a_setting_means_what_it_says_for_half_of_the_batch_too() -> None:
    row = next(row for row in TABLES["table4"].rows if row.recipe == "fb-half-batch")
    assert recipe_for(row, "laptop", 0, None, {"batch_size": 24}).batch_size == 24


def test_an_eighth_is_the_papers_setting_in_all_but_its_length() -> None:
    row = TABLES["table1"].rows[0]
    whole, eighth = (recipe_for(row, scale, 3, None, {}) for scale in ("paper", "eighth"))
    assert eighth == replace(whole, steps=8_000, watch_propagation=400)
    assert (eighth.warmup * 8_000, eighth.milestones) == (50, (0.5, 0.75)), "400 / 8, 32k / 64k and 48k / 64k"
    half = next(row for row in TABLES["table4"].rows if row.recipe == "fb-half-batch")
    whole, eighth = (recipe_for(half, scale, 0, None, {}) for scale in ("paper", "eighth"))
    assert eighth == replace(whole, steps=156_250 // 8, watch_propagation=eighth.watch_propagation)
    photographs = TABLES["table5"].rows[0]
    whole, eighth = (recipe_for(photographs, scale, 0, "photos", {}) for scale in ("paper", "eighth"))
    assert eighth == replace(whole, epochs=90 / 8)


def test_evidence_is_in_ieee_float32_where_bf16_is_not_tolerated(monkeypatch: pytest.MonkeyPatch) -> None:
    for arithmetic in ("bf16", "tf32"):
        monkeypatch.setattr(f"resunit.training.precision.supports_{arithmetic}", lambda _device: True)
    rows = {row.id: row for row in TABLES["table3"].rows}
    assert recipe_for(rows["164-original"], "eighth", 0, None, {}).precision == "bf16"
    for row in ("1001-original", "1001-preactivation"):
        assert recipe_for(rows[row], "eighth", 0, None, {}).precision == "fp32"
    asked = recipe_for(rows["1001-original"], "eighth", 0, None, {"precision": "tf32"})
    assert asked.precision == "tf32"


@pytest.mark.parametrize("has_bf16", [True, False])
def test_laptop_is_the_paper_with_smaller_images_and_batches_and_fewer_steps(
    has_bf16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its runs can be pooled, because their setting depends on no machine; networks and rates are the paper's."""
    monkeypatch.setattr("resunit.training.precision.supports_bf16", lambda _device: has_bf16)
    row = TABLES["table1"].rows[0]
    recipe = recipe_for(row, "laptop", 3, None, {})
    assert recipe.steps is not None
    assert recipe == replace(
        named_recipe("paper"), model="resnet110", design="original", seed=3, precision="fp32", steps=recipe.steps,
        image_size=16, padding=2, batch_size=32, ghost_batch_size=None, warmup=0.06,
        evaluate_steps=recipe.steps // 20, evaluation_images=500, watch_propagation=recipe.steps // 20,
    )  # fmt: skip
    assert recipe.milestones == (0.5, 0.75)
    assert recipe.steps % 20 == 0, "a twentieth is a whole number of steps"


def test_held_out_images_make_other_runs_which_are_not_pooled_with_those_on_the_test_set() -> None:
    row = TABLES["table1"].rows[0]
    final, pilot = (
        PlannedRun(row, "laptop", recipe_for(row, "laptop", 0, None, changes))
        for changes in ({}, {"validation": 5000})
    )
    assert final.setting != pilot.setting
    assert identity_of(final.recipe, "data") != identity_of(pilot.recipe, "data")


def test_the_papers_length_measures_what_claims_need() -> None:
    """Truncation is compared between 5 % of the steps and the end; measurements precede a step."""
    row = TABLES["table1"].rows[0]
    recipe = recipe_for(row, "paper", 0, None, {})
    assert recipe == replace(
        named_recipe("paper"), model="resnet110", design="original", precision=recipe.precision,
        watch_propagation=3200,
    )  # fmt: skip
    assert recipe.steps == 20 * 3200


def test_imagenet_says_that_it_needs_a_folder() -> None:
    row = TABLES["table5"].rows[0]
    with pytest.raises(UsageError, match="--data"):
        recipe_for(row, "laptop", 0, None, {})
    assert recipe_for(row, "laptop", 0, "photos", {}).data == "photos"


def test_imagenet_is_trained_as_the_paper_says_or_in_miniature() -> None:
    rows = {row.id: row for row in TABLES["table5"].rows}
    row = rows["200-pre-activation-scale-aspect-320"]
    whole, laptop = (recipe_for(row, scale, 0, "photos", {}) for scale in ("paper", "laptop"))
    expected = replace(named_recipe("imagenet"), model="resnet200", design="full-preactivation",
                       data="photos", crop="scale-aspect", precision=whole.precision)  # fmt: skip
    assert whole == expected
    assert (laptop.steps, laptop.batch_size, laptop.image_size, laptop.crop) == (400, 64, 98, "scale-aspect")
    assert (laptop.milestones, laptop.learning_rate) == (whole.milestones, whole.learning_rate)
    assert (laptop.warmup, laptop.precision) == (0, "fp32")


def test_runs_have_their_length_in_steps_and_two_test_crops_share_one(tmp_path: Path) -> None:
    folder = write_photographs(tmp_path / "photos")
    table = TABLES["table5"]
    found = plan_experiments(
        "table5", table, scale="paper", seeds=1, data=str(folder), changes={"batch_size": 7}
    )
    assert [run.row for run in found] == [
        "152-original-scale-224", "152-pre-activation-scale-320", "200-original-scale-320",
        "200-pre-activation-scale-320", "200-pre-activation-scale-aspect-320", "101-original-scale-224",
        "101-bn-after-addition-scale-224",
    ]  # fmt: skip
    assert {run.recipe["steps"] for run in found} == {90 * (30 // 7)}


def test_an_unknown_scale_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'labtop'.*'laptop'"):
        recipe_for(TABLES["table1"].rows[0], "labtop", 0, None, {})
    assert list(SCALES) == ["paper", "eighth", "laptop", "smoke"]


def test_rows_whose_data_cannot_be_had_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESUNIT_DATA", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # refuses at once
    # urllib keeps the proxies that it saw first: neither those of earlier tests nor these may stay.
    monkeypatch.setattr(urllib.request, "_opener", None)
    monkeypatch.setenv("PATH", str(tmp_path))  # no npm
    table = Table("both", tuple(row for row in TABLES["table3"].rows if "164" in row.id))
    on_sample = replace(table, rows=tuple(replace(row, data="cifar10-sample") for row in table.rows[:2]))
    mixed = replace(table, rows=on_sample.rows + table.rows[2:])
    with pytest.warns(RowsLeftOut, match="cifar100"):
        found = plan_experiments("table3", mixed, scale="laptop", seeds=2, data=None, changes={})
    assert [run.row for run in found] == ["164-original", "164-preactivation"] * 2


def test_identities_hold_what_determines_the_numbers() -> None:
    row = TABLES["table1"].rows[0]

    def identity(data: str = "a", seed: int = 0, **changes: Any) -> str:
        # The precision is given, since "auto" is another one on another processor.
        return identity_of(recipe_for(row, "laptop", seed, None, {"precision": "bf16", **changes}), data)

    same = {
        identity(),
        identity(checkpoint_every=7),
        identity(activation_checkpointing="small"),
        identity(evaluate_steps=5),
    }
    assert len(same) == 1
    others = [identity(data="b"), identity(seed=1), identity(steps=399), identity(precision="fp32"),
              identity(learning_rate=0.2), identity(padding=3)]  # fmt: skip
    assert len({*others, *same}) == 7
    half = next(row for row in TABLES["table4"].rows if row.recipe == "fb-half-batch")
    assert identity_of(recipe_for(half, "laptop", 0, None, {}), "data") == "6d11d1046535df48"
    assert (
        identity_of(recipe_for(half, "paper", 0, None, {"precision": "fp32"}), "data") == "5ff0cdbe5978bcfd"
    )
    # As committed records have it: a change here makes them all strangers.
    assert identity_of(recipe_for(row, "laptop", 0, None, {}), "data") == "3b48fec7589a32cf"
