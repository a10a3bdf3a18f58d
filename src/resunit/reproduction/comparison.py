"""Rows and records side by side: a table, a figure or the claims of the paper, with the measurements made here."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from resunit.models.design_source import is_own_design
from resunit.reports.paper_comparison import ComparisonRow, PaperComparison, RowOrder, VerdictRow
from resunit.reproduction.claims import ClaimOutcome
from resunit.reproduction.claims.choosing import SEEDS_FOR_A_VERDICT
from resunit.reproduction.claims.later import LaterOutcome
from resunit.reproduction.claims.quantities import POINTS_BELOW_CHANCE, is_at_chance
from resunit.reproduction.evidence.records import has_ended
from resunit.reproduction.experiments.setting import (
    Setting,
    find_most_common,
    select_newest_of_each_seed,
    setting_of,
)
from resunit.reproduction.paper.networks import network_of
from resunit.reproduction.paper.rows import Row
from resunit.reproduction.paper.tables import RECIPE_OF_ROW, Table
from resunit.reproduction.row_order import find_order
from resunit.runs.schema import ExperimentRecord

OWN = "your own"
"""The remark of a row of the user's own."""

NUMBERS_OF_TABLES = (
    "Here: median (range) over seeds, last step; at chance: within "
    f"{POINTS_BELOW_CHANCE:g} points of guessing. Training error: the share wrong on the training batches, over "
    "the last twentieth of the steps."
)


def select_records_of_row(row: Row, records: Iterable[ExperimentRecord]) -> list[ExperimentRecord]:
    """Return the runs of a row's network on its data, whichever table they were made for.

    They are ordered by length and seed. At smoke scale, rows of CIFAR-10 are trained on its sample. Errors
    are those of the row's test crop.
    """
    if row.network is None:
        return []
    found = [
        take_large_crop(record) if row.large_crop else record
        for record in records
        if (row.data is None or record.data == row.data or stands_in(record, row))
        and record.crop == row.crop
        and network_of(record).key == row.network.key
        # A row of the user's own is in no table here, and has the paper's recipe.
        and RECIPE_OF_ROW.get(record.row, "paper") == row.recipe
    ]
    found = select_newest_of_each_seed(found)
    return sorted(found, key=lambda record: (record.scale != "smoke", record.steps, record.seed))


def stands_in(record: ExperimentRecord, row: Row) -> bool:
    """Return whether a run at smoke scale, on the sample, stands in for one on the row's whole data set."""
    return record.scale == "smoke" and row.data == "cifar10"


def take_large_crop(record: ExperimentRecord) -> ExperimentRecord:
    """Return the record with the errors of the large test crop in place of the other's."""
    return replace(
        record, test_error=record.test_error_large_crop, test_top5_error=record.test_top5_error_large_crop
    )


def has_any(table: Table, records: Sequence[ExperimentRecord]) -> bool:
    """Return whether there is a run of any row of the table."""
    return any(select_records_of_row(row, records) for row in table.rows)


def with_own_rows(name: str, table: Table, records: Iterable[ExperimentRecord]) -> Table:
    """Return the table called `name` with a row for each design of the user's own that was run for it."""
    own: dict[object, Row] = {}
    for record in records:
        if record.table == name and is_own_design(record.design):
            network, label, crop = network_of(record), label_of(record), record.crop
            row = Row(label, label, network, None, OWN, record.data, crop=crop)  # pyright: ignore[reportArgumentType]
            own[network.key, record.data, crop] = row
    return replace(table, rows=(*table.rows, *own.values())) if own else table


def make_comparison(table: Table, records: Sequence[ExperimentRecord]) -> PaperComparison:
    """Return the table with the runs made here.

    A row shows runs of one setting: the table's most common one if the row has it, else its own longest.
    """
    of_rows = {row.id: select_records_of_row(row, records) for row in table.rows}
    common = find_most_common(record for found in of_rows.values() for record in found)
    shown: dict[str, list[ExperimentRecord]] = {}
    for name, found in of_rows.items():
        settings = [setting_of(record) for record in found]
        chosen = next((s for s in settings if _is_alike(s, common)), settings[-1] if settings else None)
        shown[name] = [record for record in found if setting_of(record) == chosen]
    order = find_order(
        {row.id: (_errors_with_divergence(shown[row.id]), published)
         for row in _select_comparable(table, shown, common) if (published := row.published) is not None}
    )  # fmt: skip
    rows = tuple(_comparison_row(row, shown[row.id], common, order) for row in table.rows)
    caption = describe_conditions([record for found in shown.values() for record in found], common)
    return PaperComparison(
        table.title, caption if order is None else f"{caption} {order.sentence}", rows, order
    )


def _select_comparable(
    table: Table, shown: Mapping[str, list[ExperimentRecord]], common: Setting | None
) -> list[Row]:
    """Return the rows whose errors here can be ordered: they have runs of one setting.

    A table of networks of several sizes has none, because its order would be one of sizes and not of designs.
    """
    if len({row.network.model for row in table.rows if row.network is not None}) != 1:
        return []
    return [
        row
        for row in table.rows
        if any(map(has_ended, shown[row.id])) and _is_alike(setting_of(shown[row.id][0]), common)
    ]


def _errors_with_divergence(records: Iterable[ExperimentRecord]) -> list[float]:
    """Return the errors of the runs that ended; that of a run that diverged is infinite, because it is the worst."""
    return [
        math.inf if record.test_error is None else record.test_error
        for record in records
        if has_ended(record)
    ]


def _comparison_row(
    row: Row, records: list[ExperimentRecord], common: Setting | None, order: RowOrder | None
) -> ComparisonRow:
    done = [record for record in records if record.status == "done"]
    return ComparisonRow(
        row.label,
        tuple(record.test_error for record in done if record.test_error is not None),
        "not run" if row.network is None else _describe_status(records, done),
        row.published,
        "; ".join(filter(None, [row.remark, _describe_other_setting(records, common)])),
        top5_errors=tuple(error for record in done if (error := record.test_top5_error) is not None),
        published_top5=row.published_top5,
        train_errors=tuple(error for record in done if (error := record.train_error) is not None),
        places=None if order is None else order.places.get(row.id),
    )


def _describe_status(records: Sequence[ExperimentRecord], done: Sequence[ExperimentRecord]) -> str:
    """Return a note on a row's runs, which stands beside their errors."""
    if not records:
        return "not run"
    parts = []
    if guessing := sum(map(is_at_chance, done)):
        some = "" if guessing == len(done) else f" in {guessing} of {len(done)}"
        parts.append(f"at chance{some} after {done[0].steps:,} steps")
    counts = Counter(record.status for record in records)
    ends = [status for status in ("diverged", "failed") if counts[status]]
    parts += [f"{counts[status]} of {len(records)} {status}" for status in ends]
    return ", ".join(parts)


def _describe_other_setting(records: Sequence[ExperimentRecord], common: Setting | None) -> str:
    """Return the setting of a row's runs if it is not the table's."""
    if not records or common is None or _is_alike(setting := setting_of(records[0]), common):
        return ""
    scale = f"{setting.scale}, " if setting.scale != common.scale else ""
    return scale + setting.description


def _is_alike(setting: Setting, common: Setting | None) -> bool:
    """Return whether two settings are equal in everything but the data, which each row names itself."""
    return common is not None and setting._replace(data=common.data) == common


def describe_conditions(records: Sequence[ExperimentRecord], common: Setting | None) -> str:
    """Return the conditions under which the numbers of a table were measured, and what qualifies them."""
    if common is None:
        return "No row of it was run here."
    return f"{describe_setting(common, records, describe_seeds(records))} {NUMBERS_OF_TABLES}{describe_limits(records)}"


def describe_setting(setting: Setting, records: Iterable[ExperimentRecord], seeds: str) -> str:
    """Return a sentence with scale, steps, batch, precision, seeds and machines."""
    scale = f"Scale {setting.scale}: " if setting.scale else ""
    machines = ", ".join(sorted({record.machine for record in records if record.machine is not None}))
    return f"{scale}{setting.description}, {seeds}" + (f", on {machines}." if machines else ".")


def describe_seeds(records: Iterable[ExperimentRecord]) -> str:
    """Return the seeds of the records: "seeds 0, 1, 2"."""
    seeds = sorted({record.seed for record in records})
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def describe_limits(records: Sequence[ExperimentRecord]) -> str:
    """Return sentences on the limits of what the records' numbers mean, each after a space."""
    text = ""
    if any(record.split == "validation" for record in records):
        text += " Errors are of validation images, not of a test set."
    if any(record.scale not in ("paper", "") for record in records):
        text += " Beside the paper's numbers only the order counts, not the size."
    return text


def claim_rows(outcomes: Iterable[ClaimOutcome]) -> list[VerdictRow]:
    """Return the outcomes as rows of a report, with the claims' names beside where the paper makes them."""
    return [
        VerdictRow(
            claim.sentence, f"{claim.section}; {claim.id}", outcome.verdict, outcome.numbers, outcome.runs
        )
        for outcome in outcomes
        for claim in [outcome.claim]
    ]


ABOUT_LATER = (
    "Better and worse are of the test error. These comparisons are no claims of the paper, and their p-values are "
    "corrected together, apart from those of the claims."
)


def later_rows(outcomes: Iterable[LaterOutcome]) -> list[VerdictRow]:
    """Return the outcomes of later designs as rows of a report."""
    return [
        VerdictRow(
            outcome.claim.sentence, outcome.claim.section, later.verdict, outcome.numbers, outcome.runs
        )
        for later in outcomes
        for outcome in [later.outcome]
    ]


def tally(outcomes: Sequence[ClaimOutcome]) -> str:
    """Return how many claims held, and why others are undecided.

    Claims that only a training as long as the paper's can decide are counted apart.
    """
    counted = select_counted(outcomes)
    apart = len(outcomes) - len(counted)
    counts = Counter(outcome.verdict for outcome in counted)
    verdicts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in ("held", "not held", "undecided"))
    text = f"{len(counted)} claim{'s' * (len(counted) != 1)}: {verdicts} at this scale"
    undecided = [outcome for outcome in counted if outcome.verdict == "undecided"]
    tested = [outcome for outcome in undecided if outcome.seeds >= SEEDS_FOR_A_VERDICT]
    without_margin = sum(not outcome.has_its_margins for outcome in tested)
    reasons = []
    if untested := len(undecided) - len(tested):
        reasons.append(f"{untested} because a network has fewer than {SEEDS_FOR_A_VERDICT} seeds")
    if without_margin:
        reasons.append(f"{without_margin} because the scale has no margin of similarity")
    text += f" ({', '.join(reasons)})" if reasons else ""
    if apart:
        one = "s" * (apart == 1)
        text += f". {apart} more need{one} training to the end, and count{one} only there"
    return f"{text}."


def select_counted(outcomes: Iterable[ClaimOutcome]) -> list[ClaimOutcome]:
    """Return the outcomes without those of claims that only a training as long as the paper's can decide."""
    return [outcome for outcome in outcomes if not outcome.claim.needs_the_end or _is_of_full_length(outcome)]


def _is_of_full_length(outcome: ClaimOutcome) -> bool:
    return bool(outcome.settings) and all(s.scale == "paper" for s in outcome.settings.values())


def select_outcomes(table: Table, outcomes: Iterable[ClaimOutcome]) -> list[ClaimOutcome]:
    """Return the outcomes of the claims that the table's networks alone decide."""
    return [outcome for outcome in outcomes if _has_all_networks(table, outcome)]


def select_later(table: Table, outcomes: Iterable[LaterOutcome]) -> list[LaterOutcome]:
    """Return the outcomes of the comparisons whose two designs are in the table."""
    return [later for later in outcomes if _has_all_networks(table, later.outcome)]


def _has_all_networks(table: Table, outcome: ClaimOutcome) -> bool:
    keys = {row.network.key for row in table.rows if row.network is not None}
    return {network.key for network in outcome.claim.networks} <= keys


def label_of(record: ExperimentRecord) -> str:
    """Return the name of a network that is in no table."""
    chosen = network_of(record)
    options = ", ".join(f"{name} {value}" for name, value in chosen.options.items())
    return f"{chosen.model} {chosen.design}" + (f" ({options})" if options else "")
