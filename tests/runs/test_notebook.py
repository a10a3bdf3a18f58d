"""A notebook shows the numbers of a run as a table."""

from dataclasses import replace

from resunit.runs.schema import RunResult

DONE = RunResult(
    model="preresnet20",
    design="full-preactivation",
    data="photos",
    recipe="quick",
    precision="fp32",
    seed=3,
    status="done",
    parameters=272_474,
    steps=320,
    images_seen=43_200,
    train_flops=7_185_098_649_600,
    evaluation_flops=0,
    wall_seconds=105.7,
    images_per_second=435.0,
    test_error=7.5,
    best_test_error=7.25,
    best_epoch=15.0,
    kept_epoch=20.0,
)


def test_the_numbers_of_a_run_are_shown_as_a_table() -> None:
    shown = DONE._repr_html_()
    assert "<td" in shown
    for number in ("preresnet20", "272,474", "seed 3", "320 steps", "7.50", "7.25", "epoch 15"):
        assert number in shown.replace("\N{NO-BREAK SPACE}", " ")


def test_a_run_without_an_error_shows_none() -> None:
    shown = replace(DONE, status="stopped", test_error=None, best_test_error=None)._repr_html_()
    assert "stopped" in shown
    assert "error" not in shown


def test_the_name_of_a_folder_is_no_html() -> None:
    assert "<img" not in replace(DONE, data="<img src=x>")._repr_html_()
