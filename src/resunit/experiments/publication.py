"""Rows and records side by side: what a table, a figure or a finding of the paper looks like here."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from resunit.experiments.claims import Verdict
from resunit.experiments.claims.judging import SETTING
from resunit.experiments.claims.quantities import is_at_chance
from resunit.experiments.networks import network_of
from resunit.experiments.rows import Row, Table
from resunit.reports.comparison import Comparison, ComparisonRow, Finding
from resunit.reports.curves import Curve

Record = Mapping[str, Any]


def records_of_row(row: Row, records: Iterable[Record]) -> list[Record]:
    """The runs of a row's network on its data, whichever table they were made for, by seed.

    At smoke scale every row is trained on the sample. Errors are of the row's test crop.
    """
    if row.network is None:
        return []
    found = [
        on_large_crop(record) if row.large_crop else record
        for record in records
        if (row.data is None or record["data"] == row.data or record["scale"] == "smoke")
        and record.get("crop", "shift") == row.crop  # which older records do not say
        and network_of(record).key == row.network.key
    ]
    return sorted(found, key=lambda record: (record["steps"], record["seed"]))


def on_large_crop(record: Record) -> Record:
    """`record` with the errors of the large test crop in the place of the other's."""
    names = ("test_error", "test_top5_error")
    return {**record, **{name: record.get(f"{name}_large_crop") for name in names}}


def setting(record: Record) -> tuple[Any, ...]:
    return tuple(record[name] for name in SETTING)


def has_any(table: Table, records: Sequence[Record]) -> bool:
    return any(records_of_row(row, records) for row in table.rows)


def comparison(table: Table, records: Sequence[Record]) -> Comparison:
    """The table with what ran here; a row shows runs of one setting, the table's most common if it can."""
    of_rows = {row.id: records_of_row(row, records) for row in table.rows}
    common = _most_common(record for found in of_rows.values() for record in found)
    shown: dict[str, list[Record]] = {}
    for name, found in of_rows.items():
        settings = [setting(record) for record in found]
        chosen = common if common in settings else settings[-1] if settings else None
        shown[name] = [record for record in found if setting(record) == chosen]
    rows = tuple(_comparison_row(row, shown[row.id], common) for row in table.rows)
    words = caption([r for found in shown.values() for r in found], common, OF_TABLES)
    return Comparison(table.title, words, rows)


def _comparison_row(row: Row, records: list[Record], common: tuple[Any, ...] | None) -> ComparisonRow:
    if row.network is None:
        return ComparisonRow(
            row.label, (), "not run", row.published, row.remark, published_top5=row.published_top5
        )
    done = [record for record in records if record["status"] == "done"]
    parts = []
    if not records:
        parts.append("not run")
    if done and all(is_at_chance(record) for record in done):
        parts.append(f"at chance after {done[0]['steps']:,} steps")
    counts = Counter(record["status"] for record in records)
    ends = [status for status in ("diverged", "failed") if counts[status]]
    parts += [f"{counts[status]} of {len(records)} {status}" for status in ends]
    remarks = [row.remark] if row.remark else []
    if records and setting(records[0]) != common:
        remarks.append(f"{records[0]['steps']:,} steps, {records[0]['precision']}")
    errors = tuple(record["test_error"] for record in done)
    top5 = tuple(error for record in done if (error := record.get("test_top5_error")) is not None)
    return ComparisonRow(
        row.label,
        errors,
        ", ".join(parts),
        row.published,
        "; ".join(remarks),
        top5_errors=top5,
        published_top5=row.published_top5,
    )


OF_TABLES = "Here: median (range) over seeds, last step."
OF_FIGURES = "Lines: means over seeds; bands: their range."


def caption(records: Sequence[Record], common: tuple[Any, ...] | None, what: str) -> str:
    """Scale, steps, batch, precision, machine; `what` the numbers are, and what they are not."""
    if common is None:
        return "Nothing of it was run here."
    values = dict(zip(SETTING, common, strict=True))
    machines = ", ".join(sorted({str(record.get("machine", "unknown")) for record in records}))
    seeds = sorted({record["seed"] for record in records})
    plural = "s" * (len(seeds) > 1)
    text = (
        f"Scale {values['scale']}: {values['steps']:,} steps of {values['batch_size']}, "
        f"{values['precision']}, seed{plural} {', '.join(map(str, seeds))}, on {machines}. "
        f"{what}"
    )
    if values["scale"] != "paper":
        text += " Beside the paper's numbers only the order counts, not the size."
    return text


def panels(table: Table, records: Sequence[Record]) -> dict[str, list[Curve]]:
    """The figure's curves, of the rows that ran; every panel has those of one setting."""
    rows = {row.id: row for row in table.rows}
    drawn = {}
    for panel in table.panels:
        found = {name: records_of_row(rows[name], records) for name in panel.rows}
        common = _most_common(record for runs in found.values() for record in runs)
        curves = [
            Curve(rows[name].label, curves)
            for name, runs in found.items()
            if (curves := [r["curve"] for r in runs if setting(r) == common and r.get("curve")])
        ]
        if curves:
            drawn[panel.title] = curves
    return drawn


def caption_of_figure(table: Table, records: Sequence[Record]) -> str:
    """What `panels` shows."""
    shown = [record for row in table.rows for record in records_of_row(row, records)]
    common = _most_common(shown)
    return caption([record for record in shown if setting(record) == common], common, OF_FIGURES)


def _most_common(records: Iterable[Record]) -> tuple[Any, ...] | None:
    counts = Counter(setting(record) for record in records)
    return counts.most_common(1)[0][0] if counts else None


def findings(verdicts: Iterable[Verdict]) -> list[Finding]:
    return [Finding(v.claim.finding, v.claim.source, v.outcome, v.details, v.runs) for v in verdicts]


def about(table: Table, verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The verdicts that the table's networks alone decide."""
    keys = {row.network.key for row in table.rows if row.network is not None}
    return [v for v in verdicts if {network.key for network in v.claim.networks} <= keys]


def labelled(record: Record) -> str:
    """A network of no table in words."""
    chosen = network_of(record)
    options = ", ".join(f"{name} {value}" for name, value in chosen.options.items())
    return f"{chosen.model} {chosen.design}" + (f" ({options})" if options else "")
