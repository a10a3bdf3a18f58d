"""A leading ~ is the user's home in every path that Python code gives."""

from pathlib import Path

import pytest

import resunit
from resunit.inference import evaluate_weights
from resunit.inference.subjects import find_subject
from resunit.reports.run_page import write_run_page
from resunit.reproduction.plan import make_plan
from resunit.reproduction.report import write_report
from resunit.training.recipe import read_recipe, with_changes
from resunit.training.recipes import named_recipe


@pytest.mark.full
def test_python_takes_a_tilde_in_any_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    changes = {"model": "preresnet20", "data": "cifar10-sample", "image_size": 8, "steps": 1, "batch_size": 4}
    recipe = with_changes(named_recipe("paper"), changes)
    result = resunit.train(recipe, out="~/run", quiet=True)
    assert resunit.resume("~/run") == result
    assert read_recipe(Path("~/run")).model == "preresnet20"
    assert resunit.load("~/run").classes == resunit.load("~/run/weights.safetensors").classes
    assert evaluate_weights("~/run").error == result.test_error
    resunit.create_model(weights="~/run/weights.safetensors")
    assert find_subject("~/run", batch_size=4).targets is not None
    assert write_run_page(Path("~/run")) == tmp_path / "run" / "report.html"
    assert write_report([Path("~/run")], Path("~/all.html")).path == tmp_path / "all.html"
    plan = make_plan(
        "table1", scale="smoke", seeds=1, only="*", data=None, changes={}, add=[], out=Path("~/results"),
        records=Path("~/records.jsonl"),
    )  # fmt: skip
    assert (plan.out, plan.records) == (tmp_path / "results", tmp_path / "records.jsonl")
    assert list((tmp_path / "elsewhere").iterdir()) == []
