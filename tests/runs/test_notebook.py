"""A notebook shows the numbers of a run as a table."""

from dataclasses import replace

from tests.reports.run_records import RESULT


def test_the_numbers_of_a_run_are_shown_as_a_table() -> None:
    shown = RESULT._repr_html_()
    assert "<td" in shown
    for number in ("preresnet20", "272,282", "seed 0", "7,020 steps", "8.31", "8.19", "epoch 17"):
        assert number in shown.replace("\N{NO-BREAK SPACE}", " ")


def test_a_run_without_an_error_shows_none() -> None:
    shown = replace(RESULT, status="stopped", test_error=None, best_test_error=None)._repr_html_()
    assert "stopped" in shown
    assert "error" not in shown


def test_the_name_of_a_folder_is_no_html() -> None:
    assert "<img" not in replace(RESULT, data="<img src=x>")._repr_html_()
