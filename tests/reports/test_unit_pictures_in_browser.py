"""Pictures of units in a page: no text is cut, covers another or leaves its box, in light and in dark."""

from pathlib import Path

import pytest
import torch

from resunit.models.drawing.draw import draw, render_designs
from resunit.models.registry import create_model
from tests.reports.conftest import OpenPage, Scheme

pytestmark = pytest.mark.full

SHELL = (
    '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><body style="margin: 0">{}</body>'
)
BOXES_OF_TEXTS = """() => [...document.querySelectorAll("svg")].map(svg => {
  const frame = svg.viewBox.baseVal;
  const inside = [...svg.querySelectorAll("rect:not(.paper)")].map(r => r.getBBox());
  const texts = [...svg.querySelectorAll("text")].map(t => ({text: t.textContent, box: t.getBBox()}));
  const overlap = (a, b) => a.x < b.x + b.width && b.x < a.x + a.width && a.y + 3 < b.y + b.height - 3
    && b.y + 3 < a.y + a.height - 3;
  const within = (a, b) => a.x >= b.x && a.x + a.width <= b.x + b.width;
  const mistakes = [];
  texts.forEach((one, i) => {
    if (!within(one.box, frame)) mistakes.push("cut: " + one.text);
    texts.slice(i + 1).forEach(two => {
      if (overlap(one.box, two.box)) mistakes.push("overlap: " + one.text + " / " + two.text);
    });
    inside.forEach(box => {
      if (overlap(one.box, box) && !within(one.box, box)) mistakes.push("leaves its box: " + one.text);
    });
  });
  return mistakes;
}).flat()"""


def pictures(tmp_path: Path) -> list[str]:
    svgs = render_designs()
    for name, design in [
        ("resnet110", "exclusive-gating"), ("resnet50", "shortcut-only-gating"), ("preresnet1001", None),
        ("resnet110", "stochastic-depth"), ("resnet10-quick", None),
    ]:  # fmt: skip
        with torch.device("meta"):
            svgs.append(draw(create_model(name, design=design), tmp_path / "units.svg").read_text())
    return svgs


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_texts_are_legible(tmp_path: Path, open_page: OpenPage, scheme: Scheme) -> None:
    path = tmp_path / "page.html"
    path.write_text(SHELL.format("".join(pictures(tmp_path))))
    with open_page(path, 1400, scheme) as page:
        assert page.evaluate(BOXES_OF_TEXTS) == []
        ink = page.evaluate("getComputedStyle(document.querySelector('svg text')).fill")
        paper = page.evaluate("getComputedStyle(document.querySelector('svg .paper')).fill")
        dark_on_light = {"rgb(28, 33, 38)": "rgb(255, 255, 255)"}
        assert {ink: paper} == (
            dark_on_light if scheme == "light" else {"rgb(228, 232, 235)": "rgb(21, 25, 29)"}
        )
