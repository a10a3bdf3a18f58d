"""Rows and records side by side: what a table, a figure or a finding of the paper looks like here."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from resunit.reports.comparison import ClaimRow, Comparison, ComparisonRow
from resunit.reproduction.claims import Verdict
from resunit.reproduction.claims.choosing import SEEDS
from resunit.reproduction.claims.quantities import NEAR, is_at_chance
from resunit.reproduction.networks import network_of
from resunit.reproduction.rows import Row
from resunit.reproduction.setting import Setting, newest_of_each_seed, setting_of
from resunit.reproduction.tables import RECIPE_OF_ROW, Table
from resunit.training.recipes import paper

Record = Mapping[str, Any]
OWN = "your own"  # the remark of such a row
OF_TABLES = f"Here: median (range) over seeds, last step; at chance: within {NEAR:g} points of guessing."


def records_of_row(row: Row, records: Iterable[Record]) -> list[Record]:
    """The runs of a row's network on its data, whichever table they were made for, by length and seed.

    At smoke scale rows of CIFAR-10 are trained on its sample. Errors are of the row's test crop.
    """
    if row.network is None:
        return []
    found = [
        on_large_crop(record) if row.large_crop else record
        for record in records
        if (row.data is None or record["data"] == row.data or stands_in(record, row))
        and record.get("crop", "shift") == row.crop  # which older records do not say
        and network_of(record).key == row.network.key
        and RECIPE_OF_ROW.get(record["row"], "paper") == row.recipe  # a row of one's own has the paper's
    ]
    found = newest_of_each_seed(found)
    return sorted(found, key=lambda record: (record["scale"] != "smoke", record["steps"], record["seed"]))


def stands_in(record: Record, row: Row) -> bool:
    """Is this a run at smoke scale, on the sample in the place of the whole data set?"""
    return record["scale"] == "smoke" and row.data == "cifar10"


def on_large_crop(record: Record) -> Record:
    """`record` with the errors of the large test crop in the place of the other's."""
    names = ("test_error", "test_top5_error")
    return {**record, **{name: record.get(f"{name}_large_crop") for name in names}}


def has_any(table: Table, records: Sequence[Record]) -> bool:
    return any(records_of_row(row, records) for row in table.rows)


def with_own_rows(name: str, table: Table, records: Iterable[Record]) -> Table:
    """`table` with a row for each design of the user's own that was run for it."""
    own = {
        (network.key, record["data"], crop): Row(
            labelled(record), labelled(record), network, None, OWN, record["data"], crop=crop
        )
        for record in records
        if record["table"] == name
        and ":" in (network := network_of(record)).design
        and (crop := record.get("crop", "shift"))
    }
    return replace(table, rows=(*table.rows, *own.values())) if own else table


def comparison(table: Table, records: Sequence[Record]) -> Comparison:
    """The table with what ran here; a row shows runs of one setting, the table's most common if it can."""
    of_rows = {row.id: records_of_row(row, records) for row in table.rows}
    common = most_common(record for found in of_rows.values() for record in found)
    shown: dict[str, list[Record]] = {}
    for name, found in of_rows.items():
        settings = [setting_of(record) for record in found]
        chosen = next((s for s in settings if _alike(s, common)), settings[-1] if settings else None)
        shown[name] = [record for record in found if setting_of(record) == chosen]
    rows = tuple(_comparison_row(row, shown[row.id], common) for row in table.rows)
    everything = [record for found in shown.values() for record in found]
    return Comparison(table.title, caption(everything, common), rows)


def _comparison_row(row: Row, records: list[Record], common: Setting | None) -> ComparisonRow:
    if row.network is None:
        return ComparisonRow(
            row.label, (), "not run", row.published, row.remark, published_top5=row.published_top5
        )
    done = [record for record in records if record["status"] == "done"]
    parts = []
    if not records:
        parts.append("not run")
    if guessing := sum(is_at_chance(record) for record in done):
        some = "" if guessing == len(done) else f" in {guessing} of {len(done)}"
        parts.append(f"at chance{some} after {done[0]['steps']:,} steps")
    counts = Counter(record["status"] for record in records)
    ends = [status for status in ("diverged", "failed") if counts[status]]
    parts += [f"{counts[status]} of {len(records)} {status}" for status in ends]
    remarks = [row.remark] if row.remark else []
    if records and common and not _alike(setting := setting_of(records[0]), common):
        scale = f"{setting.scale}, " if setting.scale != common.scale else ""
        remarks.append(scale + setting.words)
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


def most_common(records: Iterable[Record]) -> Setting | None:
    """Of all but smoke, if there is any; the data are the rows' own."""
    counts = Counter(setting_of(record) for record in records)
    return max(counts, key=lambda setting: (setting.scale != "smoke", counts[setting]), default=None)


def _alike(setting: Setting, common: Setting | None) -> bool:
    return common is not None and setting._replace(data=common.data) == common


def caption(records: Sequence[Record], common: Setting | None) -> str:
    """What the numbers of a table are of, and what they are not."""
    if common is None:
        return "Nothing of it was run here."
    return f"{conditions(common, records, seeds_in_words(records))} {OF_TABLES}{qualification(records)}"


def conditions(setting: Setting, records: Iterable[Record], seeds: str) -> str:
    """Scale, steps, batch, precision, seeds, machine."""
    scale = f"Scale {setting.scale}: " if setting.scale else ""
    machines = ", ".join(sorted({record["machine"] for record in records if "machine" in record}))
    return f"{scale}{setting.words}, {seeds}" + (f", on {machines}." if machines else ".")


def seeds_in_words(records: Iterable[Record]) -> str:
    seeds = sorted({record["seed"] for record in records})
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def qualification(records: Sequence[Record]) -> str:
    text = ""
    if any(record.get("split") == "validation" for record in records):
        text += " Errors are of validation images, not of a test set."
    if any(record["scale"] not in ("paper", "") for record in records):
        text += " Beside the paper's numbers only the order counts, not the size."
    return text


def findings(verdicts: Iterable[Verdict]) -> list[ClaimRow]:
    return [ClaimRow(v.claim.finding, v.claim.source, v.outcome, v.details, v.runs) for v in verdicts]


def tally(verdicts: Sequence[Verdict]) -> str:
    """How many findings held, and why it is no wonder if short runs left others undecided."""
    counts = Counter(verdict.outcome for verdict in verdicts)
    outcomes = ", ".join(f"{counts[outcome]} {outcome}" for outcome in ("held", "not held", "undecided"))
    text = f"{len(verdicts)} findings: {outcomes} at this scale"
    undecided = [verdict for verdict in verdicts if verdict.outcome == "undecided"]
    tested = [verdict for verdict in undecided if verdict.seeds >= SEEDS]
    if few := len(undecided) - len(tested):
        text += f" ({few} for want of {SEEDS} seeds of each network)"
    settings = [setting for verdict in tested for setting in verdict.settings.values()]
    if settings and all(setting.scale != "paper" for setting in settings):
        seeds, steps = max(verdict.seeds for verdict in tested), max(setting.steps for setting in settings)
        text += (
            f", which is to be expected of {seeds} seeds of {steps:,} steps: so far short of the paper's "
            f"{paper().steps:,}, seeds of one network differ as much as networks do"
        )
    return f"{text}."


def about(table: Table, verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The verdicts that the table's networks alone decide."""
    keys = {row.network.key for row in table.rows if row.network is not None}
    return [v for v in verdicts if {network.key for network in v.claim.networks} <= keys]


def labelled(record: Record) -> str:
    """A network of no table in words."""
    chosen = network_of(record)
    options = ", ".join(f"{name} {value}" for name, value in chosen.options.items())
    return f"{chosen.model} {chosen.design}" + (f" ({options})" if options else "")
