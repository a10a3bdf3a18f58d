"""Training curves from records: the paper's figures, and a panel for each network of no table."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from resunit.io.fields import from_json
from resunit.reports.curves import Curve, Plot
from resunit.reproduction.publication import (
    Record,
    conditions,
    labelled,
    most_common,
    qualification,
    records_of_row,
    seeds_in_words,
)
from resunit.reproduction.setting import setting_of
from resunit.reproduction.tables import Table
from resunit.runs.schema import CurvePoint

LINES = "Dashed: training error; solid: test error; lines: means over seeds; bands: range of test errors."
IN_THE_PAPER = " The paper's dashed lines are the training loss, on an axis of its own."


def figure(table: Table, records: Sequence[Record]) -> Plot | None:
    """The rows of `table` that ran, in its panels, each panel of one setting; None if there are none."""
    rows = {row.id: row for row in table.rows}
    panels = {}
    for panel in table.panels:
        found = {rows[name].label: records_of_row(rows[name], records) for name in panel.rows if name in rows}
        common = most_common(record for runs in found.values() for record in runs)
        panels[panel.title] = {
            label: [record for record in runs if setting_of(record) == common]
            for label, runs in found.items()
        }
    return _plot(table.title, panels, LINES + IN_THE_PAPER)


def curves_by_network(records: Iterable[Record]) -> Plot | None:
    """A panel for each network and setting."""
    panels: dict[str, dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        panels[f"{labelled(record)}, {setting_of(record).words}"][labelled(record)].append(record)
    return _plot("Training curves", panels, LINES)


def _plot(title: str, panels: Mapping[str, Mapping[str, Sequence[Record]]], lines: str) -> Plot | None:
    """`panels` have runs by label; the caption says what those of each panel are, and what `lines` mean."""
    curves: dict[str, list[Curve]] = {}
    captions: dict[str, list[str]] = defaultdict(list)
    shown: list[Record] = []
    for name, runs_by_label in panels.items():
        drawn = {label: [r for r in runs if r.get("curve")] for label, runs in runs_by_label.items()}
        drawn = {label: runs for label, runs in drawn.items() if runs}
        if drawn:
            curves[name] = [
                Curve(label, [[from_json(CurvePoint, point) for point in r["curve"]] for r in runs])
                for label, runs in drawn.items()
            ]
            captions[_caption(drawn)].append(name)
            shown += [record for runs in drawn.values() for record in runs]
    if not curves:
        return None
    of_all = len(captions) == 1
    words = [said if of_all else f"{', '.join(names)}: {said}" for said, names in captions.items()]
    return Plot(title, curves, f"{' '.join(words)} {lines}{qualification(shown)}")


def _caption(drawn: Mapping[str, Sequence[Record]]) -> str:
    runs = [record for records in drawn.values() for record in records]
    seeds = {label: seeds_in_words(records) for label, records in drawn.items()}
    if len(set(seeds.values())) == 1:
        words = next(iter(seeds.values()))
    else:
        words = ", ".join(f"{said} ({label})" for label, said in seeds.items())
    return conditions(setting_of(runs[0]), runs, words) + _images_on_the_way(runs)


def _images_on_the_way(runs: Sequence[Record]) -> str:
    """The last point of a run that was finished is of all images; those before it may be of the first few."""
    on_the_way = {point.get("test_images") for run in runs for point in run["curve"][:-1]}
    at_the_end = {run["curve"][-1].get("test_images") for run in runs if run["status"] == "done"}
    fewer = sorted(count for count in on_the_way - at_the_end if count is not None)
    if not fewer:
        return ""
    counts = " or ".join(f"{count:,}" for count in fewer)
    return f" Test errors before the last step are of the first {counts} test images."
