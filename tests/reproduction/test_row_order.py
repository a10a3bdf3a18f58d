"""The order of a table's rows here beside the paper's."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from scipy import stats

from resunit.cli import main
from resunit.reports.paper_comparison import RowOrder, comparison_in_markdown
from resunit.reproduction.comparison import make_comparison
from resunit.reproduction.paper.networks import network
from resunit.reproduction.paper.rows import SHORTCUTS
from resunit.reproduction.paper.tables import TABLES
from resunit.reproduction.row_order import find_order
from resunit.runs.record_files import append_records
from resunit.runs.schema import ExperimentRecord
from tests.reproduction.made_up_runs import runs

PAPER = (6.61, 6.91, 8.70, "fail", "fail")


def order_of(errors: Sequence[Sequence[float]], paper: Sequence[float | str] = PAPER) -> RowOrder | None:
    return find_order({str(row): pair for row, pair in enumerate(zip(errors, paper, strict=True))})


def tau_by_hand(here: Sequence[float], paper: Sequence[float]) -> float:
    """Return (concordant - discordant) / sqrt(pairs not tied here x pairs not tied in the paper)."""
    pairs = list(combinations(range(len(here)), 2))
    concordant = sum((here[i] < here[j] and paper[i] < paper[j]) or (here[i] > here[j] and paper[i] > paper[j])
                     for i, j in pairs)  # fmt: skip
    discordant = sum((here[i] < here[j] and paper[i] > paper[j]) or (here[i] > here[j] and paper[i] < paper[j])
                     for i, j in pairs)  # fmt: skip
    apart = [sum(values[i] != values[j] for i, j in pairs) for values in (here, paper)]
    return (concordant - discordant) / math.sqrt(apart[0] * apart[1])


def test_tau_of_a_small_example() -> None:
    """Of the 9 pairs that the paper tells apart, the first two rows and no others are the wrong way round."""
    order = order_of([[51, 50, 52], [49], [60], [80], [80]])
    assert order is not None
    # 8 pairs agree and 1 does not; 9 of the 10 pairs are apart here, and 9 in the paper.
    assert order.tau == pytest.approx((8 - 1) / math.sqrt(9 * 9))
    assert "rows that fail" in order.sentence
    untied = order_of([[51], [49], [60], [80], [80]], (1.0, 2.0, 3.0, 4.0, 5.0))
    assert untied is not None
    assert "rows that fail" not in untied.sentence
    assert order.places == {"0": (2, 1), "1": (1, 2), "2": (3, 3), "3": (4, 4), "4": (4, 4)}


@pytest.mark.parametrize("seed", range(10))
def test_tau_is_scipys_and_the_formulas(seed: int) -> None:
    generator = np.random.default_rng(seed)
    here = generator.integers(0, 8, size=11).astype(float)
    paper = generator.integers(0, 6, size=11).astype(float)
    order = order_of([[error] for error in here], [float(error) for error in paper])
    assert order is not None
    assert order.tau == pytest.approx(tau_by_hand(list(here), list(paper)))
    tau, _ = stats.kendalltau(here, paper)
    assert order.tau == pytest.approx(tau)


def test_rows_that_diverge_are_the_worst() -> None:
    inf = math.inf
    order = order_of([[50, 51, inf], [52, inf, inf], [60, 61, 62], [80], [90]])
    assert order is not None
    assert [place for place, _ in order.places.values()] == [1, 5, 2, 3, 4]
    assert order.tau == pytest.approx(tau_by_hand([51, inf, 61, 80, 90], [1, 2, 3, 4, 4]))


def test_the_interval_is_that_of_all_resamples() -> None:
    """With two seeds a row there are 4 resamples a row, so that all of them can be written down."""
    errors = [(50.0, 58.0), (54.0, 55.0), (56.0, 57.0), (80.0, 82.0), (79.0, 81.0)]
    order = order_of(errors)
    paper = [1.0, 2.0, 3.0, 4.0, 4.0]
    medians = [[median(pair) for pair in product(of_row, repeat=2)] for of_row in errors]
    taus = sorted(tau_by_hand(here, paper) for here in product(*medians))
    assert order is not None
    assert order.interval is not None
    low, high = order.interval
    assert (low, high) == pytest.approx((taus[int(0.025 * len(taus))], taus[int(0.975 * len(taus))]))
    assert low < order.tau <= high
    again = order_of(errors)
    assert again is not None
    assert again.interval == order.interval


def test_what_has_no_order() -> None:
    assert order_of([[1.0], [2.0], [3.0], [4.0]], PAPER[:4]) is None, "too few rows"
    assert order_of([[1.0]] * 5) is None, "all tie here"
    assert order_of([[1.0], [2.0], [3.0], [4.0], [5.0]], ["fail"] * 5) is None, "all tie in the paper"
    one_seed = order_of([[1.0, 2.0], [2.0], [3.0], [4.0], [5.0]])
    assert one_seed is not None
    assert one_seed.interval is None
    assert "no interval, because a row has one seed" in one_seed.sentence


def table1(count: int) -> list[ExperimentRecord]:
    """Return runs of the first rows of Table 1, whose errors fall from row to row."""
    return [
        replace(record, identity=f"{row.id} {record.seed}")
        for number, row in enumerate(SHORTCUTS[:count])
        if row.network is not None
        for record in runs(row.network, 90.0 - 5 * number)
    ]


def test_a_table_has_places_of_rows_of_one_setting_and_size() -> None:
    comparison = make_comparison(TABLES["table1"], table1(5))
    assert comparison.order is not None
    assert [row.place for row in comparison.rows[:6]] == ["5 (1)", "4 (3)", "3 (3)", "2 (2)", "1 (3)", ""]
    assert comparison.caption.endswith(comparison.order.sentence)
    assert make_comparison(TABLES["table1"], table1(4)).order is None
    longer = [*table1(4), *runs(network("resnet110", "conv-shortcut"), 60.0, steps=800)]
    assert make_comparison(TABLES["table1"], longer).order is None, "the fifth row is of another setting"
    placements = [
        record
        for row in TABLES["table2"].rows
        if row.network is not None
        for record in runs(row.network, 50.0 + len(row.id))
    ]
    assert make_comparison(TABLES["table2"], placements).order is None, "of two sizes"


def test_the_command_and_the_reports_show_the_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    append_records(tmp_path / "records.jsonl", table1(6))
    shown = ["reproduce", "table1", "--records", str(tmp_path / "records.jsonl")]
    assert main([*shown, "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert table["order"]["rows"] == 6
    assert table["order"]["interval"][0] <= table["order"]["tau"] <= table["order"]["interval"][1]
    assert table["rows"][0]["places"] == [6, 1]
    assert main(shown) == 0
    text = " ".join(capsys.readouterr().out.split())
    sentence = f"Kendall's tau-b of {table['order']['tau']:.2f} (95 % interval "
    assert sentence in text
    assert "6 (1)" in text
    assert main(["report", str(tmp_path / "records.jsonl"), "--out", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text().replace("&#39;", "'")
    for report in (page, comparison_in_markdown(make_comparison(TABLES["table1"], table1(6)))):
        assert sentence in report
        assert "place (paper's)" in report
        assert "6 (1)" in report
