"""The unit in a run's page, as it was trained and as the page is written anew."""

import json
import sys
from pathlib import Path

import pytest

import resunit
from resunit.models.designs import DESIGNS
from resunit.training.page import draw_unit_of_run
from resunit.training.recipe import with_changes
from resunit.training.recipes import named_recipe
from tests.models.drawing.pictures import texts


def unit_in(page: Path) -> list[str]:
    html = page.read_text()
    svg = html[html.index("<svg") : html.index("</svg>") + len("</svg>")]
    return texts(svg)


def test_the_unit_is_the_one_that_was_trained(tmp_path: Path) -> None:
    changes = {
        "model": "resnet20",
        "design": "constant-scaling",
        "shortcut_scale": 0.7,
        "data": "cifar10-sample",
        "image_size": 8,
    }
    recipe = with_changes(
        named_recipe("paper"), changes | {"steps": 1, "batch_size": 2, "ghost_batch_size": 2}
    )
    resunit.train(recipe, out=tmp_path / "run", quiet=True)
    trained = unit_in(tmp_path / "run" / "report.html")
    assert "× 0.7" in trained
    assert trained == texts(draw_unit_of_run(tmp_path / "run"))


def test_a_recipe_imports_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "unseen_units.py").write_text("raise SystemExit(1)\n")
    recipe = with_changes(named_recipe("paper"), {"model": "resnet20", "design": "unseen_units:Own"})
    (tmp_path / "recipe.json").write_text(json.dumps(recipe.to_json()))
    assert draw_unit_of_run(tmp_path) == ""
    assert "unseen_units" not in sys.modules
    assert "unseen_units:Own" not in DESIGNS
