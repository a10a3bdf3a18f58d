import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from resunit.errors import FileFormatError, RunError
from resunit.io.format import format_percent
from resunit.reports.confusion_figure import MOST_DRAWABLE_CLASSES
from resunit.reports.run_page import write_run_page
from resunit.runs.schema import Calibration, CalibrationBin, Evaluation, PropagationLine, Status, ViewError
from tests.reports.run_records import (
    CLASSES,
    ENVIRONMENT,
    RECIPE,
    RESULT,
    evaluation,
    log,
    predictions,
    write_run,
)

NO_ERRORS = replace(RESULT, test_error=None, best_test_error=None, best_epoch=None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


def own_markup(folder: Path) -> str:
    """Return the page without plotly.js, whose code names map servers that these figures never ask."""
    page = write_run_page(folder).read_text()
    return re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)


def figures_in(page: str) -> list[str]:
    return re.findall(r'<div class="figure" id="(\w+)">', page)


def numbers_in(page: str) -> list[str]:
    """Return the numbers at the top of the page, the main one first."""
    return re.findall(r"<dd>(.*?)</dd>", page)


def rows_of(page: str) -> list[list[str]]:
    """Return the texts of the cells of all rows of tables."""
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    cells = [re.findall(r"<t[hd]\b[^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [
        [re.sub(r"<[^>]*>|\xa0", lambda tag: " " * (tag[0] == "\xa0"), cell) for cell in row] for row in cells
    ]


def test_the_page_is_one_file_with_every_figure_and_picture(folder: Path) -> None:
    write_run(folder, evaluated=evaluation())
    before = set(folder.iterdir())
    path = write_run_page(folder)
    assert set(folder.iterdir()) - before == {path}
    page = path.read_text()
    assert page.count("plotly.js v") == 1
    assert figures_in(page) == ["curves", "confusion"]
    assert page.count("<img") == len(evaluation().mistakes)


def test_the_numbers_at_the_top(folder: Path) -> None:
    views = (ViewError("tta", 7.55), ViewError("mirror", 7.91))
    result = replace(RESULT, views=views, test_top5_error=5.31, images_per_second=235.41728)
    page = own_markup(write_run(folder, result=result))
    errors = [8.31, 8.19, 5.31, 7.91, 7.55]
    assert numbers_in(page)[: len(errors)] == list(map(format_percent, errors))
    costs = [text.replace("\N{NO-BREAK SPACE}", " ") for text in numbers_in(page)[len(errors) :]]
    assert costs == ["272 k", "0.219 PFLOP", "16 min 08 s", "235"]


def test_the_page_loads_nothing_from_outside(folder: Path) -> None:
    page = own_markup(write_run(folder, evaluated=evaluation()))
    assert not re.search(r"https?://|@import|url\(", page)
    addresses = re.findall(r"(?:src|href)=\"?([^\"\s>]*)", page)
    assert addresses
    assert all(address.startswith("data:") for address in addresses)
    assert "default-src 'none'" in page


def test_a_mistake_whose_image_is_elsewhere_is_left_out(folder: Path) -> None:
    (mistake,) = evaluation(mistakes=1).mistakes
    elsewhere = replace(mistake, image="https://example.org/cat.png")
    page = own_markup(write_run(folder, evaluated=replace(evaluation(), mistakes=(elsewhere,))))
    assert "example.org" not in page


def test_hostile_names_stay_text(folder: Path) -> None:
    hostile = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    page = own_markup(
        write_run(
            folder,
            evaluated=evaluation((hostile, *CLASSES[1:])),
            recipe={**RECIPE, "model": hostile, "note": hostile},
            result=replace(RESULT, model=hostile, data=hostile),
            environment=replace(ENVIRONMENT, machine=hostile),
        )
    )
    assert "alert(1)" in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page


@pytest.mark.parametrize("status", ["stopped", "diverged"])
def test_a_run_that_ended_before_its_first_evaluation(folder: Path, status: Status) -> None:
    page = own_markup(write_run(folder, lines=[], result=replace(NO_ERRORS, status=status)))
    assert f'<span class="status">{status}</span>' in page
    assert figures_in(page) == []
    assert "PFLOP" in numbers_in(page)[1]


def test_a_page_without_figures_carries_no_plotly(folder: Path) -> None:
    path = write_run_page(write_run(folder, lines=[], result=replace(NO_ERRORS, status="stopped")))
    assert path.stat().st_size < 50_000


def test_a_stopped_run_shows_its_last_evaluation(folder: Path) -> None:
    page = own_markup(write_run(folder, lines=log(7), result=replace(NO_ERRORS, status="stopped")))
    error = log(7)[-1].error
    assert error is not None
    assert numbers_in(page)[0] == format_percent(error)
    assert "epoch 7" in page
    assert figures_in(page) == ["curves"]


def test_a_validation_run(folder: Path) -> None:
    result = replace(NO_ERRORS, split="validation", validation_error=8.31, best_validation_error=8.19)
    page = own_markup(write_run(folder, lines=log(split="validation"), result=result))
    assert numbers_in(page)[:2] == [format_percent(8.31), format_percent(8.19)]
    assert "validation error" in page
    assert "test error" not in page


def test_the_note_on_the_curves_names_the_images_that_they_are_drawn_for(folder: Path) -> None:
    """A run with validation and test images is evaluated on the former while it trains, and judged by the latter."""
    result = replace(NO_ERRORS, split="test", test_error=8.31, best_validation_error=8.19)
    page = own_markup(write_run(folder, lines=log(split="validation"), result=result))
    assert "Solid lines are of the validation images" in page


def test_a_run_without_environment_and_mistakes(folder: Path) -> None:
    page = own_markup(write_run(folder, environment=None, evaluated=evaluation(mistakes=0)))
    assert "<img" not in page
    assert ENVIRONMENT.processor not in page


def test_many_classes_carry_no_cell_text(folder: Path) -> None:
    page = own_markup(write_run(folder, evaluated=evaluation([f"class {i}" for i in range(100)])))
    assert "texttemplate" not in page


def test_a_matrix_too_large_to_see_leaves_the_table_of_its_classes(folder: Path) -> None:
    names = [f"class {i}" for i in range(MOST_DRAWABLE_CLASSES + 1)]
    page = own_markup(write_run(folder, evaluated=evaluation(names, mistakes=0)))
    assert figures_in(page) == ["curves"]
    assert len(re.findall(r'<th scope="row"><span>class \d+</span></th>', page)) == 2 * len(names)


def test_an_evaluation_of_too_many_classes_for_a_matrix_leaves_the_rest_of_the_page(folder: Path) -> None:
    page = own_markup(write_run(folder, evaluated=replace(evaluation(), confusion=())))
    assert figures_in(page) == ["curves"]


def test_the_scores_of_the_classes_are_a_table(folder: Path) -> None:
    few = Evaluation("test", ("cat", "dog", "yak"), ((90, 30, 0), (20, 60, 0), (0, 0, 0)))
    page = own_markup(write_run(folder, evaluated=few))
    assert ["cat", "81.82 %", "75.00 %", "78.26 %"] in rows_of(page)
    assert ["yak", "–", "–", "–"] in rows_of(page)
    assert "precision 74.24\xa0%, recall 75.00\xa0%, F1 74.42\xa0%" in page


def test_the_calibration_is_drawn_where_it_was_measured(folder: Path) -> None:
    bins = (CalibrationBin(3000, 0.4, 0.3), CalibrationBin(7000, 0.9, 0.7))
    measured = replace(evaluation(), calibration=Calibration(17.0, 1.8, 17.2, 1.234, bins))
    page = own_markup(write_run(folder, evaluated=measured))
    assert figures_in(page) == ["curves", "confusion", "calibration"]
    assert "by 17.00 points on average" in page
    assert "a temperature of 1.8" in page
    assert "from 17.20 to 1.23 points" in page


def test_the_classes_are_a_table_of_images_errors_and_what_they_were_taken_for(folder: Path) -> None:
    page = own_markup(write_run(folder, evaluated=evaluation()))
    cat = next(row for row in rows_of(page) if row[0] == "cat")
    assert cat == ["cat", "1,000", "14.40 %", "dog (85)"]
    assert next(row[0] for row in rows_of(page) if len(row) == 4 and row[1] != "images") == "cat", (
        "the hardest class is first"
    )


def test_the_predictions_are_a_grid_of_right_and_wrong_answers(folder: Path) -> None:
    evaluated = replace(evaluation(mistakes=0), predictions=predictions())
    page = own_markup(write_run(folder, evaluated=evaluated))
    wrong = sum(answer.true != answer.predicted for answer in predictions())
    assert page.count('<figure class="wrong">') == wrong == 5
    assert page.count('<figure class="right">') == 24 - wrong
    assert page.count("<img") == 24


def test_the_page_says_when_where_and_by_which_command_the_run_began(folder: Path) -> None:
    environment = replace(
        ENVIRONMENT,
        started="2026-11-29T14:20:59+00:00",
        host="a-<host>",
        command="resunit train --data 'my photos'",
    )
    page = own_markup(write_run(folder, environment=environment))
    assert "29 November 2026, 14:20 UTC" in page
    assert "a-&lt;host&gt;" in page
    assert "<code>resunit train --data &#39;my photos&#39;</code>" in page
    rows = {row[0]: row[1] for row in rows_of(page) if len(row) == 2}
    assert rows["host"] == "a-&lt;host&gt;"
    assert "command" not in rows


def test_a_page_of_an_old_record_names_neither_date_nor_host(folder: Path) -> None:
    rows = {row[0] for row in rows_of(own_markup(write_run(folder)))}
    assert "processor" in rows
    assert not rows & {"started", "host", "command"}


def test_settings_that_differ_from_the_named_recipe_come_first(folder: Path) -> None:
    named = {**RECIPE, "learning_rate": 0.2, "model_options": {}, "batch_size": None, "precision": "auto"}
    write_run(folder, recipe={**RECIPE, "milestones": [81 / 164]})
    named["milestones"] = [81 / 164]
    write_run_page(folder, named_recipe=named)
    page = re.sub(r"<script>.*?</script>", "", (folder / "report.html").read_text(), flags=re.DOTALL)
    changed, others = page.split("<h2>Findings</h2>")
    assert rows_of(changed)[1:] == [["learning rate", "0.1", "0.2"], ["gate bias", "-3.0", "none"]]
    rows = {row[0]: row[1] for row in rows_of(others) if len(row) == 2}
    assert rows["milestones"] == "0.493902"
    assert "learning rate" not in rows
    assert ["batch size", "128 (the recipe: none)"] in rows_of(others)
    assert ["precision", "bf16 (the recipe: auto)"] in rows_of(others)


def test_few_judged_images_allow_no_conclusion(folder: Path) -> None:
    few = Evaluation("test", ("cat", "dog"), ((9, 3), (2, 6)))
    page = own_markup(write_run(folder, evaluated=few))
    findings = re.findall(r"<li>(.*?)</li>", page)
    assert len(findings) == 1
    assert "20 images" in findings[0]
    assert ["cat", "12", "25.00 %", "dog (3)"] in rows_of(page), "what was counted is shown all the same"


def test_the_legend_names_each_kind_of_line_once(folder: Path) -> None:
    page = own_markup(write_run(folder))
    holder = re.search(r'id="curves"><script type="application/json">(.*?)</script>', page, re.DOTALL)
    assert holder is not None
    named = [trace["name"] for trace in json.loads(holder[1])["data"] if trace["showlegend"]]
    assert named == ["test error", "training error", "learning rate"]


def test_measurements_of_the_signal_are_drawn(folder: Path) -> None:
    lines = [
        PropagationLine(step, 0.0, ("a", "<b>"), {"stream_rms": (1.0, None), "loss_change": (1.0, 2.0)})
        for step in (0, 10)
    ]
    page = own_markup(write_run(folder, propagation=lines))
    assert figures_in(page) == ["curves", "propagation"]
    assert page.count('"type":"heatmap"') == 1


def test_a_watch_that_measured_nothing_is_not_drawn(folder: Path) -> None:
    """A run whose first loss is not a number has such a line."""
    line = PropagationLine(0, 0.0, junctions=("a",))
    assert figures_in(own_markup(write_run(folder, propagation=[line]))) == ["curves"]


def test_the_part_on_the_signal_opens_with_the_last_verdict_and_then_the_first(folder: Path) -> None:
    said = {0: "direct: it passes <whole>", 5: "truncated: a little", 10: "blocked: by f"}
    lines = [
        PropagationLine(step, 0.0, ("a",), {"stream_rms": (1.0,)}, verdict=said[step]) for step in (0, 5, 10)
    ]
    page = own_markup(write_run(folder, propagation=lines))
    part = page.split("Does the signal pass directly?</h2>")[1]
    sentences = re.findall(r"<p>(.*?) <small[^>]*>\((.*?)\)</small></p>", part)
    assert sentences == [
        ("blocked: by f", "step 10, the last measurement"),
        ("direct: it passes &lt;whole&gt;", "step 0, the first measurement"),
    ]
    assert part.index("blocked: by f") < part.index('id="propagation"')


def test_the_verdict_on_a_signal_that_is_no_number_is_shown_without_a_figure(folder: Path) -> None:
    line = PropagationLine(0, 0.0, ("a",), verdict="blocked: 100 % of the stream at a is infinite or NaN")
    page = own_markup(write_run(folder, propagation=[line]))
    assert "blocked: 100 % of the stream at a is infinite or NaN" in page
    assert figures_in(page) == ["curves"]


def test_why_the_signal_was_not_measured_is_shown(folder: Path) -> None:
    line = PropagationLine(0, 0.0, refused="no junction was <found>")
    assert "no junction was &lt;found&gt;" in own_markup(write_run(folder, propagation=[line]))


def test_the_recipe_is_a_table_without_its_format(folder: Path) -> None:
    page = own_markup(write_run(folder))
    assert re.search(r"learning rate</th><td>0\.1</td>", page)
    assert not re.search(r">format</th>", page)


def test_a_run_without_a_result_is_refused(folder: Path) -> None:
    write_run(folder, result=None)
    with pytest.raises(RunError, match=rf"^{re.escape(str(folder))}.*result\.json"):
        write_run_page(folder)


def test_a_damaged_record_is_refused_and_no_page_is_written(folder: Path) -> None:
    write_run(folder)
    (folder / "result.json").write_text("{")
    with pytest.raises(FileFormatError, match=r"result\.json"):
        write_run_page(folder)
    assert not (folder / "report.html").exists()
