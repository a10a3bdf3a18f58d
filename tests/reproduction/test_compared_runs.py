"""`resunit report` of ordinary runs and of every kind of record that resunit ships or ever wrote."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from resunit.cli import main
from resunit.errors import FileFormatError, RunError, UsageError
from resunit.io.jsonl import append_lines
from resunit.reproduction.evidence.find_records import find_records
from resunit.reproduction.report import write_report
from resunit.runs.record_files import append_records
from tests.benchmarks.test_records import ACCURACY_OF_FORMAT_1, RUN_OF_FORMAT_1, STEP_OF_FORMAT_1
from tests.reports.run_records import RECIPE, RESULT, evaluation, log, write_run
from tests.reproduction.real_records import MINI

ROOT = Path(__file__).parents[2]
FORMAT_1 = ROOT / "tests" / "data" / "format1"
SHIPPED = sorted((ROOT / "src" / "resunit" / "reproduction" / "records").glob("*.jsonl"))
RESULTS = sorted((ROOT / "results").glob("*.jsonl"))
PILOTS = sorted((ROOT / "results" / "pilots").glob("*.jsonl"))
# What a recipe must hold, beside what the invented one holds.
WHOLE_RECIPE = {**RECIPE, "model_options": {}, "device": "auto"}


def lines_in(path: Path) -> int:
    return len(path.read_text().splitlines())


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Return a folder of four runs: two learning rates, two seeds each."""
    folder = tmp_path / "runs"
    folder.mkdir()
    for rate in (0.05, 0.2):
        for seed in (0, 1):
            error = 8.0 + 10 * rate + seed
            write_run(
                folder / f"rate{rate}-seed{seed}",
                recipe={**WHOLE_RECIPE, "learning_rate": rate, "seed": seed},
                result=replace(RESULT, seed=seed, test_error=error, best_test_error=error - 0.1),
                evaluated=evaluation(mistakes=0),
            )
    return folder


@pytest.mark.parametrize("path", [*SHIPPED, *RESULTS, *PILOTS], ids=lambda path: path.name)
def test_every_file_of_records_that_ships_is_taken_whole(path: Path) -> None:
    found = find_records([path])
    assert len(found.runs) + len(found.experiments) + len(found.measurements) == lines_in(path)


def test_the_folder_of_results_is_everything_in_it(tmp_path: Path) -> None:
    report = write_report([ROOT / "results"], tmp_path / "page.html")
    assert [len(table.rows) for table in report.tables] == [
        sum(lines_in(path) for path in RESULTS if path.name in ("quick.jsonl", "fast94.jsonl")),
        sum(lines_in(path) for path in RESULTS if path.name.startswith("bench-")),
        sum(lines_in(path) for path in (MINI, *PILOTS)),
    ]


def test_the_errors_of_a_shipped_recipe_are_those_of_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(
            ["report", str(ROOT / "results" / "quick.jsonl"), "--out", str(tmp_path / "page.html"), "--json"]
        )
        == 0
    )
    runs = {run["recipe"]["seed"]: run["error"] for run in json.loads(capsys.readouterr().out)["runs"]}
    written = [json.loads(line) for line in (ROOT / "results" / "quick.jsonl").read_text().splitlines()]
    assert runs == {run["seed"]: run["test_error"] for run in written}


def test_records_of_format_1_are_taken(tmp_path: Path) -> None:
    append_lines(tmp_path / "bench-x.jsonl", [STEP_OF_FORMAT_1, ACCURACY_OF_FORMAT_1])
    append_lines(tmp_path / "quick.jsonl", [RUN_OF_FORMAT_1])
    found = find_records([tmp_path, FORMAT_1])
    assert {run.name: run.error for run in found.runs} == {
        "done": 87.4,
        "stopped": 89.0,
        "quick, seed 1": 8.41,
    }
    assert [record.measurement.subject for record in found.measurements] == ["train", "accuracy"]
    by_name = {run.name: run for run in found.runs}
    assert by_name["done"].fields["ghost_batch_size"] == 16
    assert by_name["done"].fields["shortcut_option"] == "B"
    assert by_name["stopped"].fields["shortcut_option"] == "default"
    assert by_name["quick, seed 1"].fields["activation_checkpointing"] == "fast"


def test_ordinary_runs_are_one_table_one_plot_and_links(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (sweep / "rate0.05-seed1" / "report.html").write_text("its page")
    out = sweep.parent / "all.html"
    assert main(["report", str(sweep), "--out", str(out)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == ["run", "data", "model", "design", "seed", "learning", "rate", "test", "error",
                                  "best", "time", "status"]  # fmt: skip
    assert [line.split()[0] for line in printed[1:5]] == [
        "rate0.05-seed0", "rate0.05-seed1", "rate0.2-seed0", "rate0.2-seed1",
    ]  # fmt: skip
    assert printed[1].split()[4:8] == ["0", "0.05", "8.50", "%"]
    assert printed[-1] == str(out)
    page = out.read_text()
    assert page.count('<table class="table sortable">') == 1
    assert page.count('<th scope="row"><span><a href=') == 1, "one run has a page"
    assert '<a href="./runs/rate0.05-seed1/report.html">' in page
    assert 'id="overlay"' in page
    assert 'id="sweep"' in page


def test_a_field_that_is_named_is_drawn_against(sweep: Path) -> None:
    out = sweep.parent / "all.html"
    assert main(["report", str(sweep), "--out", str(out), "--against", "seed"]) == 0
    assert "Error against seed" in out.read_text()
    assert main(["report", str(sweep), "--out", str(out), "--against", "nonsense"]) == 2


def test_one_run_is_compared_where_a_page_is_named(sweep: Path) -> None:
    report = write_report([sweep / "rate0.2-seed0"], sweep.parent / "one.html")
    assert [run.name for run in report.runs] == ["rate0.2-seed0"]


def test_a_run_counts_once_however_it_is_named(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sweep)
    run = sweep / "rate0.2-seed0"
    found = find_records([run, Path("rate0.2-seed0"), run / "result.json", run / "log.jsonl"])
    assert len(found.runs) == 1


def test_runs_of_one_name_get_names_of_their_own(sweep: Path) -> None:
    shutil.copytree(sweep, sweep.parent / "copy")
    names = [run.name for run in find_records([sweep, sweep.parent / "copy"]).runs]
    assert len(set(names)) == 8
    assert all(Path(name).name.startswith("rate") for name in names)


def test_runs_that_have_not_ended_are_left_out_and_named(sweep: Path) -> None:
    write_run(sweep / "going", recipe=WHOLE_RECIPE, result=None)
    report = write_report([*sweep.iterdir()], sweep.parent / "all.html")
    assert len(report.runs) == 4
    assert any("going" in note for note in report.tables[0].notes)
    with pytest.raises(RunError, match="going"):
        write_report([sweep / "going"], sweep.parent / "all.html")


def test_what_holds_no_records_is_refused_if_it_is_named(sweep: Path) -> None:
    other = sweep / "notes.jsonl"
    other.write_text('{"text": "nothing of ours"}\n')
    assert len(find_records([sweep]).runs) == 4
    with pytest.raises(FileFormatError, match=r"notes\.jsonl, line 1"):
        find_records([other])
    with pytest.raises(UsageError, match="nowhere"):
        find_records([sweep / "nowhere"])


def test_a_damaged_recipe_is_named_and_no_page_is_written(sweep: Path) -> None:
    recipe = sweep / "rate0.2-seed0" / "recipe.json"
    recipe.write_text(json.dumps({**WHOLE_RECIPE, "learning_rate": "fast"}))
    with pytest.raises(FileFormatError, match=r"rate0\.2-seed0/recipe\.json.*learning_rate"):
        write_report([sweep], sweep.parent / "all.html")
    assert not (sweep.parent / "all.html").exists()


def test_records_of_tables_and_ordinary_runs_share_a_page(sweep: Path) -> None:
    (experiment,) = find_records([MINI]).experiments[:1]
    append_records(sweep / "reproduce-laptop.jsonl", [experiment])
    report = write_report([sweep], sweep.parent / "all.html")
    assert [len(table.rows) for table in report.tables] == [4, 1]
    page = report.path.read_text()
    assert "Every recorded run" in page
    assert "Table 1" in page


def test_ordinary_runs_as_markdown(sweep: Path) -> None:
    out = sweep.parent / "runs.md"
    write_report([sweep], out)
    text = out.read_text()
    assert "| rate0.05-seed0 | cifar10 | preresnet20 | full-preactivation | 0 | 0.05 | 8.50 % |" in text
    assert "![Training curves](runs-curves.png)" in text
    assert (sweep.parent / "runs-curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_judged_on_few_images_is_said(sweep: Path) -> None:
    lines = [replace(line, images=12) for line in log()]
    write_run(sweep / "few", recipe=WHOLE_RECIPE, lines=lines)
    notes = write_report([sweep], sweep.parent / "all.html").tables[0].notes
    assert any("few (12 images)" in note for note in notes)
