"""The explorable page as its readers use it: by keyboard, at two widths, in light and dark, in two languages."""

import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from resunit.reproduction.explorable.page import EXAMPLES, LANGUAGES, read_document, write_page
from tests.reports.conftest import OpenPage, Scheme, browser, open_page  # noqa: F401

pytestmark = pytest.mark.full

SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻−", "0123456789--")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_page(tmp_path / "page.html")
    return tmp_path / "page.html"


@pytest.fixture
def page(path: Path, open_page: OpenPage) -> Iterator[Page]:  # noqa: F811
    with open_page(path, 1400, "light") as page:
        yield page


def number(text: str) -> float:
    """Return the number that the page writes as 0.5, 5.6 × 10⁻¹⁷ or 0."""
    mantissa, _, power = text.translate(SUPERSCRIPTS).partition(" × 10")
    return float(mantissa) * 10 ** int(power or 0)


def result(page: Page) -> float:
    return number(page.locator("#result").inner_text().split(" = ")[1])


def read(page: Page, direction: str, row: str) -> str:
    return page.locator(f"[data-read={direction}-{row}]").inner_text()


def press(page: Page, slider: str, key: str, times: int = 1) -> None:
    page.locator(f"#{slider}").focus()
    for _ in range(times):
        page.keyboard.press(key)


def set_slider(page: Page, slider: str, value: float) -> None:
    page.locator(f"#{slider}").fill(str(value))


def choose(page: Page, name: str, value: str) -> None:
    page.locator(f"input[name={name}][value={value}]").check()


def test_the_page_opens_with_half_at_each_of_54_units(page: Page) -> None:
    assert page.locator("#result").inner_text() == "0.5⁵⁴ = 5.6 × 10⁻¹⁷"
    assert result(page) == pytest.approx(0.5**54, rel=1e-2)
    assert float(page.locator("#result").get_attribute("data-log") or "") == pytest.approx(
        54 * math.log10(0.5)
    )


def test_a_key_moves_a_slider_and_the_product_follows_its_formula(page: Page) -> None:
    for slider, key, times, expected in (
        ("lambda", "ArrowRight", 40, 0.9**54),
        ("lambda", "End", 1, 1.2**54),
        ("lambda", "Home", 1, 0.0),
        ("units", "ArrowLeft", 50, 0.5**4),
        ("units", "End", 1, 0.5**333),
        ("bias", "Home", 1, (1 / (1 + math.exp(-10))) ** 54),
        ("bias", "End", 1, 0.5**54),
        ("bias", "ArrowLeft", 1, (1 / (1 + math.exp(-1))) ** 54),
    ):
        page.locator("[data-example=half]").click()
        press(page, slider, key, times)
        assert result(page) == pytest.approx(expected, rel=2e-2), (slider, key)
    assert page.locator("input[name=shortcut][value=shortcut-only-gating]").is_checked()


def test_each_place_of_both_charts_follows_equations_7_and_8(page: Page) -> None:
    for units, factor in itertools.product((2, 333), (0.0, 0.37, 0.99, 1.0, 1.07)):
        set_slider(page, "units", units)
        set_slider(page, "lambda", factor)
        for place in (0, 1, units // 2, units):
            set_slider(page, "cursor", place)
            assert number(read(page, "forward", "formula")) == pytest.approx(factor**place, rel=6e-3)
            backward = number(read(page, "backward", "formula"))
            assert backward == pytest.approx(factor ** (units - place), rel=6e-3)


def test_the_weights_of_an_exclusive_gate_follow_equation_7(page: Page) -> None:
    choose(page, "shortcut", "exclusive-gating")
    for bias in (0, -1, -6, -10):
        set_slider(page, "bias", bias)
        gate = 1 / (1 + math.exp(-bias))
        weights = [gate * (1 - gate) ** (54 - place) for place in range(1, 55)]
        shown = page.locator("#sum").inner_text().split(" weigh ")[1].rstrip(".")
        assert number(shown) == pytest.approx(sum(weights), rel=6e-3)
        bars = page.locator("#chart-weights rect")
        heights = [float(bars.nth(place).get_attribute("height") or "") for place in (54, 53)]
        assert heights[1] / heights[0] == pytest.approx(1 - gate, rel=1e-6)


def test_measured_networks_stand_beside_the_formula(page: Page) -> None:
    for network in read_document()["networks"][::8]:
        units = len(network["forward"]["direct"]) - 1
        set_slider(page, "units", units)
        choose(page, "shortcut", network["shortcut"])
        choose(page, "placement", network["placement"])
        choose(page, "sizes", "one_size" if network["one_size"] else "three_sizes")
        if network["value"] is not None:
            set_slider(
                page, "lambda" if network["shortcut"] == "constant-scaling" else "bias", network["value"]
            )
            choose(page, "shortcut", network["shortcut"])
        assert not page.locator("#nearest").is_visible()
        assert page.locator("circle.direct").count() == 2 * (units + 1)
        for place in (0, units // 2, units):
            set_slider(page, "cursor", place)
            for direction in ("forward", "backward"):
                for row in ("direct", "whole"):
                    measured = network[direction][row][place]
                    assert number(read(page, direction, row)) == pytest.approx(measured, rel=6e-3)


def test_where_nothing_was_measured_a_button_leads_to_the_nearest_network(page: Page) -> None:
    set_slider(page, "lambda", 0.93)
    set_slider(page, "units", 60)
    assert page.locator("circle.direct").count() == 0
    assert read(page, "forward", "direct") == "–"
    page.locator("#nearest").focus()
    page.keyboard.press("Enter")
    assert page.locator("#lambda").input_value() == "0.95"
    assert page.locator("#units").input_value() == "54"
    assert page.locator("circle.direct").count() == 2 * 55


def test_a_matrix_has_no_formula(page: Page) -> None:
    choose(page, "shortcut", "conv-shortcut")
    assert page.locator("polyline.formula").count() == 0
    assert page.locator("#chart-weights rect").count() == 0
    assert page.locator("circle.direct").count() == 2 * 55


def test_every_example_by_keyboard_in_both_languages(page: Page) -> None:
    for language, title in (("ko", "신호"), ("en", "signal")):
        page.locator(f"[data-language={language}]").focus()
        page.keyboard.press("Enter")
        assert page.evaluate("document.documentElement.lang") == language
        assert title in page.title()
        looks = set()
        for name in EXAMPLES:
            page.locator(f"[data-example={name}]").focus()
            page.keyboard.press("Space")
            assert page.locator(f"[data-example={name}]").get_attribute("aria-pressed") == "true"
            looks.add(page.locator("#look").inner_text())
            text = page.locator("body").inner_text()
            assert not [word for word in ("undefined", "NaN", "null", "Infinity", "{", "}") if word in text]
            for setting in ("units", "lambda", "bias"):
                if setting in EXAMPLES[name]:
                    assert float(page.locator(f"#{setting}").input_value()) == EXAMPLES[name][setting]
        assert len(looks) == len(EXAMPLES)


def test_numbers_in_the_texts_of_the_examples(page: Page) -> None:
    """What a text says there is to see is what the sliders show."""
    for name, changed, expected in (
        ("half", {}, 5.6e-17),
        ("nearly", {}, 0.0034),
        ("nearly", {"lambda": 0.99, "units": 333}, 0.035),
        ("more", {}, 170),
        ("more", {"units": 333}, 6.1e13),
        ("gate", {"bias": -6}, 0.87),
        ("depth", {}, 1),
    ):
        page.locator(f"[data-example={name}]").click()
        for slider, value in changed.items():
            set_slider(page, slider, value)
        assert result(page) == pytest.approx(expected, rel=2e-2)
    assert 150e9 * 0.5**54 < 0.01e-3  # metres from the Earth to the Sun
    assert 1 / (1 + math.exp(6)) == pytest.approx(0.0025, abs=5e-5)


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_is_quiet(
    path: Path,
    open_page: OpenPage,  # noqa: F811
    width: int,
    scheme: Scheme,
) -> None:
    with open_page(path, width, scheme) as page:
        for language, name in itertools.product(LANGUAGES, EXAMPLES):
            page.locator(f"[data-language={language}]").click()
            page.locator(f"[data-example={name}]").click()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.set_viewport_size({"width": width - 40, "height": 700})
        assert page.locator("#chart-forward").evaluate("svg => svg.viewBox.baseVal.width == svg.clientWidth")
        page.set_viewport_size({"width": width, "height": 700})


def test_on_a_narrow_screen_the_result_stays_in_sight_while_sliders_move(
    path: Path,
    open_page: OpenPage,  # noqa: F811
) -> None:
    with open_page(path, 400, "light") as page:
        page.locator("input[name=placement]").first.scroll_into_view_if_needed()
        press(page, "bias", "ArrowLeft")
        box = page.locator("#result").bounding_box()
        assert box is not None
        assert 0 <= box["y"] < 200
