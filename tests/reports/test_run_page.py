import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from resunit.io.format import amount, duration, in_words, percent, petaflop, rate
from resunit.io.page import sentence
from resunit.reports import write_run_page
from resunit.reports.command import command
from tests.reports.run_records import CLASSES, evaluation, log

WriteRun = Callable[..., Path]
NO_BREAK = "\N{NO-BREAK SPACE}"
NO_ERRORS = {"test_error": None, "best_test_error": None, "best_epoch": None}
SECTIONS = [
    "Findings",
    "Training curves",
    "Confusion matrix",
    "Worst mistakes",
    "Repeat it",
    "Recipe",
    "Environment",
]


def own_markup(folder: Path) -> str:
    """The page without plotly.js, whose code mentions map servers that it never asks for these figures."""
    page = write_run_page(folder).read_text()
    return re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL).replace(NO_BREAK, " ")


def test_the_page_holds_every_section_and_nothing_else_is_left(write_run: WriteRun):
    folder = write_run()
    before = set(folder.iterdir())
    path = write_run_page(folder)
    assert set(folder.iterdir()) - before == {path}
    assert path == folder / "report.html"
    page = path.read_text().replace(NO_BREAK, " ")
    assert re.findall(r"<h2>(.*?)</h2>", page) == SECTIONS
    assert page.count("plotly.js v") == 1
    assert "8.31 %" in page
    assert "test error, last epoch" in page
    assert "best epoch, chosen on the test set" in page
    assert "0.219 PFLOP" in page
    assert page.count("<img") == 24


def test_the_page_loads_nothing_from_outside(write_run: WriteRun):
    page = own_markup(write_run())
    assert not re.search(r"https?://|@import|url\(", page)
    addresses = re.findall(r"(?:src|href)=\"?([^\"\s>]*)", page)
    assert addresses
    assert all(address.startswith("data:") for address in addresses)
    assert "default-src 'none'" in page


def test_a_top_5_error_is_shown_where_there_is_one(write_run: WriteRun):
    assert "test top-5 error</dt><dd>5.31 %" in own_markup(write_run(result={"test_top5_error": 5.31}))


def test_images_a_second_are_whole(write_run: WriteRun):
    page = own_markup(write_run(result={"images_per_second": 235.41728}))
    assert re.search(r">\s*235\s*<", page)
    assert "235.4" not in page


def test_a_mistake_whose_image_is_elsewhere_is_left_out(write_run: WriteRun):
    elsewhere = evaluation(mistakes=1)
    elsewhere["mistakes"][0]["image"] = "https://example.org/cat.png"
    assert "example.org" not in own_markup(write_run(evaluation=elsewhere))


def test_hostile_names_stay_text(write_run: WriteRun):
    hostile = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    page = own_markup(
        write_run(
            evaluation=evaluation([hostile, *CLASSES[1:]]),
            recipe={"model": hostile, "note": hostile},
            result={"model": hostile},
            environment={"machine": hostile},
        )
    )
    assert "alert(1)" in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page


@pytest.mark.parametrize("status", ["stopped", "diverged"])
def test_a_run_that_ended_before_its_first_evaluation(write_run: WriteRun, status: str):
    page = own_markup(write_run(log=[], result={**NO_ERRORS, "status": status}, evaluation=None))
    assert re.findall(r"<h2>(.*?)</h2>", page) == SECTIONS
    assert f'<span class="status">{status}</span>' in page
    assert "there is no error to report" in page
    assert 'class="figure"' not in page


def test_a_page_without_figures_carries_no_plotly(write_run: WriteRun):
    path = write_run_page(write_run(log=[], result={**NO_ERRORS, "status": "stopped"}, evaluation=None))
    assert path.stat().st_size < 50_000


def test_a_stopped_run_shows_its_last_evaluation(write_run: WriteRun):
    page = own_markup(write_run(log=log(7), result={**NO_ERRORS, "status": "stopped"}, evaluation=None))
    assert "test error, last evaluation, epoch 7" in page
    assert 'id="curves"' in page


def test_a_validation_run(write_run: WriteRun):
    page = own_markup(
        write_run(
            log=log(split="validation"),
            result={**NO_ERRORS, "validation_error": 8.31, "best_validation_error": 8.19, "best_epoch": 17},
            evaluation=evaluation(split="validation"),
        )
    )
    assert "validation error, last epoch" in page
    assert "best epoch, chosen on the validation set" in page


def test_records_without_optional_fields(write_run: WriteRun):
    page = own_markup(
        write_run(
            log=[{"step": 10, "epoch": 1}],
            result={"parameters": None, "train_flops": None, "design": None},
            evaluation=evaluation(mistakes=0),
        )
    )
    assert "None to show." in page
    assert "PFLOP" not in page


def test_many_classes_carry_no_cell_text(write_run: WriteRun):
    page = own_markup(write_run(evaluation=evaluation([f"class {i}" for i in range(100)])))
    assert "texttemplate" not in page


def test_a_matrix_too_large_to_see_leaves_its_hardest_classes(write_run: WriteRun):
    page = own_markup(write_run(evaluation=evaluation([f"class {i}" for i in range(251)], mistakes=0)))
    assert 'id="confusion"' not in page
    assert "hardest classes" in page


def test_the_command_survives_the_shell():
    recipe = {
        "name": "quick",
        "model": "my net",
        "model_options": {"gate_bias": -6.0},
        "design": None,
        "seed": 3,
        "epochs": 2.5,
        "steps": None,
        "ghost_batch_size": None,
        "nesterov": True,
        "milestones": [0.5, 0.75],
    }
    assert shlex.split(" ".join(command(recipe))) == [
        "resunit", "train", "--recipe", "quick", "--model", "my net", "--seed", "3",
        "--set", "gate_bias=-6.0", "--set", "epochs=2.5", "--set", "ghost_batch_size=none",
        "--set", "nesterov=true", "--set", "milestones=0.5,0.75",
    ]  # fmt: skip


def test_backticks_become_code_and_markup_does_not():
    assert sentence("a <b> `c <d>`") == "a &lt;b&gt; <code>c &lt;d&gt;</code>"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (percent(8.3), "8.30 %"),
        (amount(37), "37"),
        (amount(931.0), "931"),
        (amount(272_282), "272 k"),
        (amount(1_730_000), "1.73 M"),
        (rate(9.96), "10"),
        (rate(2.417), "2.4"),
        (rate(1235.417), "1,235"),
        (petaflop(2.19e14), "0.219 PFLOP"),
        (petaflop(1.234e18), "1,234 PFLOP"),
        (in_words({"gate_bias": -6.0, "inverted_dropout": True}), "gate_bias -6.0, inverted_dropout yes"),
        (in_words([0.5, 0.75]), "0.5, 0.75"),
        (in_words([]), "none"),
        (duration(7), "7 s"),
        (duration(968.3), "16 min 08 s"),
        (duration(3725), "1 h 02 min"),
    ],
)
def test_quantities_as_people_write_them(written: str, expected: str):
    assert written.replace(NO_BREAK, " ") == expected


def test_a_watch_that_measured_nothing_is_not_drawn(write_run: WriteRun):
    """As of a run whose first loss was not a number."""
    folder = write_run()
    (folder / "propagation.jsonl").write_text('{"step": 0, "epoch": 0.0, "junctions": ["a"], "unseen": []}\n')
    assert 'id="propagation"' not in own_markup(folder)
