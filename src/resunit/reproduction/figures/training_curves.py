"""Training curves from records: the paper's figures."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from resunit.reports.curves import Curve, Plot
from resunit.reproduction.comparison import (
    describe_limits,
    describe_seeds,
    describe_setting,
    select_records_of_row,
)
from resunit.reproduction.experiments.setting import find_most_common, setting_of
from resunit.reproduction.paper.tables import Table
from resunit.runs.schema import ExperimentRecord

LINES = (
    "Dashed: training error; solid: test error; lines: means over seeds; bands: range of test errors. "
    "The paper's dashed lines are the training loss, on an axis of its own."
)

RunsByLabel = Mapping[str, Sequence[ExperimentRecord]]


def make_curves(table: Table, records: Sequence[ExperimentRecord]) -> Plot | None:
    """Return the curves of the rows that ran, in the table's panels; None if there are none.

    The curves of a panel are of one setting. A panel of which only the row ran that other panels show as well, such as
    the original units, compares nothing and is left out.
    """
    rows = {row.id: row for row in table.rows}
    places = Counter(name for panel in table.panels for name in panel.rows)
    panels = {}
    for panel in table.panels:
        found = {
            rows[name].label: select_records_of_row(rows[name], records)
            for name in panel.rows
            if name in rows
        }
        own = [rows[name].label for name in panel.rows if name in rows and places[name] == 1]
        if not any(found[label] for label in own):
            continue
        common = find_most_common(record for runs in found.values() for record in runs)
        panels[panel.title] = {
            label: [record for record in runs if setting_of(record) == common]
            for label, runs in found.items()
        }
    return _plot(table.title, panels)


def _plot(title: str, panels: Mapping[str, RunsByLabel]) -> Plot | None:
    """Return a figure whose caption says what the runs of each panel are."""
    curves: dict[str, list[Curve]] = {}
    captions: dict[str, list[str]] = defaultdict(list)
    shown: list[ExperimentRecord] = []
    for name, runs_by_label in panels.items():
        drawn = {
            label: with_curve
            for label, runs in runs_by_label.items()
            if (with_curve := [record for record in runs if record.curve])
        }
        if drawn:
            curves[name] = [Curve(label, [r.curve for r in runs]) for label, runs in drawn.items()]
            captions[_caption(drawn)].append(name)
            shown += [record for runs in drawn.values() for record in runs]
    if not curves:
        return None
    of_all = len(captions) == 1
    sentences = [text if of_all else f"{', '.join(names)}: {text}" for text, names in captions.items()]
    return Plot(title, curves, f"{' '.join(sentences)} {LINES}{describe_limits(shown)}")


def _caption(drawn: RunsByLabel) -> str:
    runs = [record for records in drawn.values() for record in records]
    seeds = {label: describe_seeds(records) for label, records in drawn.items()}
    if len(set(seeds.values())) == 1:
        description = next(iter(seeds.values()))
    else:
        description = ", ".join(f"{text} ({label})" for label, text in seeds.items())
    return describe_setting(setting_of(runs[0]), runs, description) + _describe_images_on_the_way(runs)


def _describe_images_on_the_way(runs: Sequence[ExperimentRecord]) -> str:
    """Return a sentence on the test images of the curves, if evaluations during training used only a part of them.

    The last point of a run that is done is of all images.
    """
    on_the_way = {point.test_images for run in runs for point in run.curve[:-1]}
    at_the_end = {run.curve[-1].test_images for run in runs if run.status == "done"}
    fewer = sorted(count for count in on_the_way - at_the_end if count is not None)
    if not fewer:
        return ""
    counts = " or ".join(f"{count:,}" for count in fewer)
    return f" Test errors before the last step are of the first {counts} test images."
