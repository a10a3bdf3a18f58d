"""docs/propagation.md states what is tested, and its examples run."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

import resunit
from resunit import propagation
from tests.propagation.networks import DESIGN_KINDS, NETWORKS

DOCUMENT = (Path(__file__).parents[2] / "docs" / "propagation.md").read_text()
KINDS = ("identity", "scale", "gate", "projection", "operations")


def test_each_network_has_its_row() -> None:
    expected = [(network.library, network.name, network.kinds) for network in NETWORKS]
    expected += [("resunit", f"resnet20, {design}", kinds) for design, kinds in DESIGN_KINDS.items()]
    for library, name, kinds in expected:
        counts = " | ".join(str(kinds.get(kind, "")) for kind in KINDS)
        assert f"| {library} | {name} | {sum(kinds.values())} | {counts} |" in DOCUMENT
    table = DOCUMENT.split("<!-- table: networks -->")[1].split("<!-- end -->")[0]
    assert len(table.strip().splitlines()) == len(expected) + 2


def test_healthy_networks_are_within_the_ranges_and_the_others_outside() -> None:
    table = DOCUMENT.split("<!-- table: normal -->")[1].split("<!-- end -->")[0].strip().splitlines()
    names, _, verdicts, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in table)
    for column in range(2, len(names)):
        outside = []
        for measure, healthy, *numbers in rows:
            low, high = map(float, healthy.split(" to "))
            number = numbers[column - 2]
            if number and not low <= float(number) <= high:
                outside.append(measure)
        assert bool(outside) == (verdicts[column] in ("scaled", "blocked")), (names[column], outside)


def test_its_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    measures, own, between, mixes = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    given = {"model": resunit.create_model("resnet20"), "images": torch.randn(2, 3, 16, 16)}
    given |= {"labels": torch.tensor([0, 1])}
    exec(measures, given)
    exec(between, given)
    assert "ResidualNetwork has 9 junctions" in capsys.readouterr().out
    assert (tmp_path / "signal.html").exists()
    mymodels: dict[str, Any] = {}
    exec(own, mymodels)
    verdict = propagation.measure(*mymodels["make_network"]()).verdict
    assert (verdict.kind, verdict.direct_gain) == ("scaled", pytest.approx(0.9**4, rel=1e-3))
    exec(mixes, {})
    assert capsys.readouterr().out.startswith("11: of the first streams the product of all mixing")
