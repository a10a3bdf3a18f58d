"""Figures of compared runs, read back from what plotly is given."""

from dataclasses import replace

from resunit.reports.runs_figures import draw_overlaid_curves, draw_sweep
from resunit.runs.schema import CurvePoint
from tests.reports.compared_runs import CURVE, compared


def test_all_curves_are_in_one_plot_with_a_name_each_in_the_legend() -> None:
    lines = (*CURVE, CurvePoint(40, train_error=None, test_error=float("nan")))
    figure = draw_overlaid_curves([replace(compared("a<b>", 8.0), curve=lines), compared("b", 9.0)])
    assert figure is not None
    traces = figure.to_dict()["data"]
    assert [trace["name"] for trace in traces if trace["showlegend"]] == ["a&lt;b&gt;", "b"]
    assert len({trace["line"]["color"] for trace in traces}) == 2
    dashed = [trace["line"]["dash"] == "dash" for trace in traces]
    assert dashed == [True, False, True, False]
    assert list(traces[1]["y"]) == [72.0, 62.0, 52.0, None]
    assert list(traces[0]["y"]) == [70.0, 60.0, 50.0, None]
    assert {trace.get("xaxis", "x") for trace in traces} == {"x"}


def test_names_and_values_of_any_bytes_are_escaped() -> None:
    runs = [compared("caf\udce9<b>", 8.0, flip="\x1b[31m"), compared("b", 9.0, flip="none")]
    overlay = draw_overlaid_curves(runs)
    assert overlay is not None
    assert overlay.to_dict()["data"][0]["name"] == r"caf\xe9&lt;b&gt;"
    assert list(draw_sweep(runs, "flip", alone=True).to_dict()["data"][0]["x"]) == [r"\x1b[31m", "none"]


def test_runs_without_curves_have_no_plot() -> None:
    assert draw_overlaid_curves([replace(compared("a", 8.0), curve=())]) is None


def test_a_sweep_is_drawn_through_the_means_over_seeds() -> None:
    runs = [
        compared(f"{rate} {seed}", 100 * rate + seed, learning_rate=rate, seed=seed)
        for rate in (0.3, 0.02)
        for seed in (0, 1)
    ]
    figure = draw_sweep(
        [*runs, compared("lost", None, learning_rate=5.0)], "learning_rate", alone=True
    ).to_dict()
    line, dots = figure["data"]
    assert list(line["x"]) == [0.02, 0.3]
    assert list(line["y"]) == [2.5, 30.5]
    assert sorted(zip(dots["x"], dots["y"], strict=True)) == [
        (0.02, 2.0),
        (0.02, 3.0),
        (0.3, 30.0),
        (0.3, 31.0),
    ]
    assert figure["layout"]["xaxis"]["type"] == "log"
    assert figure["layout"]["xaxis"]["title"]["text"] == "learning rate"


def test_where_more_differs_no_line_is_drawn() -> None:
    runs = [compared("a", 8.0, padding=2), compared("b", 9.0, padding=4)]
    figure = draw_sweep(runs, "padding", alone=False).to_dict()
    assert len(figure["data"]) == 1
    assert figure["layout"]["xaxis"]["type"] == "linear"


def test_a_field_of_words_is_drawn_by_category() -> None:
    runs = [compared("a", 8.0, flip="random"), compared("b", 9.0, flip="none")]
    figure = draw_sweep(runs, "flip", alone=True).to_dict()
    assert figure["layout"]["xaxis"]["type"] == "category"
    assert list(figure["data"][0]["x"]) == ["random", "none"]
