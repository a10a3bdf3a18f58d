"""Judging a network by its direct path: the verdict, and the cause that remedies are for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from resunit.io.format import format_count, format_share, to_two_digits
from resunit.propagation.junction import Junction
from resunit.propagation.show.direct_path import (
    NOTHING_LEFT,
    DirectPath,
    direct_paths,
)
from resunit.propagation.show.ranked_sentence import count_others
from resunit.propagation.verdict import Verdict, VerdictKind

MULTIPLE_OF_X = 0.99999  # R^2 from which h(x) counts as lambda x; rounding to bfloat16 leaves more
WHOLE_WITHIN = 5e-3  # of 1, for a direct term that two digits show as 1
SHARE_OF_A_SECOND_CAUSE = 0.5  # of the strongest cause's decades, from which a second one is named
SHARE_OF_THE_STRONGEST = 0.1  # from which a junction is named as a cause beside the strongest one

CauseKind = Literal["multiple", "gate", "operations", "truncation", "norm", "other f"]
KIND_OF_CAUSE: dict[CauseKind, VerdictKind] = {
    "multiple": "scaled", "gate": "gated", "operations": "scaled",
    "truncation": "truncated", "norm": "scaled", "other f": "scaled",
}  # fmt: skip


class Cause(NamedTuple):
    """What changes the direct path of a stage most.

    Attributes:
        kind: a shortcut h that multiplies x, gates it or is another operation; or an after-addition
            activation f that truncates, normalises or does something else.
        junctions: where it stands, the strongest first.
        path: the direct path.
    """

    kind: CauseKind
    junctions: tuple[Junction, ...]
    path: DirectPath

    @property
    def verdict(self) -> VerdictKind:
        """The word of the verdict."""
        return KIND_OF_CAUSE[self.kind] if self.path.gain > 0 else "blocked"


def judge_signal(junctions: Sequence[Junction], absent: Sequence[str] = ()) -> Verdict:
    """Return the verdict on the junctions that a pass reached.

    Args:
        junctions: the measured junctions.
        absent: sentences that say why measures are absent.
    """
    if broken := _not_finite(junctions):
        return broken
    paths = direct_paths(junctions)
    if not paths:
        return Verdict(
            "unmeasured", absent[0] if absent else "no direct term could be measured on this batch"
        )
    worst = max(paths, key=lambda path: abs(path.change))
    if worst.is_whole:
        return _direct(paths, worst)
    found = causes_of(worst)
    names = tuple(junction.name for junction in found[0].junctions)
    return Verdict(found[0].verdict, _sentence(found), worst.stage, names, worst.gain)


def _not_finite(junctions: Sequence[Junction]) -> Verdict | None:
    """Return the verdict on a stream or a gradient that is infinite or NaN."""
    if streams := [j for j in junctions if j.nonfinite_share]:
        place = streams[0]
        others = f", the first of {len(streams)} such junctions" if len(streams) > 1 else ""
        sentence = (
            f"blocked: {format_share(place.nonfinite_share or 0)} of the stream at {place.name} is infinite or "
            f"NaN{others}: what follows it means nothing"
        )
    elif gradients := [
        j for j in junctions if j.gradient_gain is not None and not math.isfinite(j.gradient_gain)
    ]:
        place = gradients[-1]
        sentence = (
            f"blocked: the gradient at {place.name} is infinite or NaN on its way back, and so at "
            f"{format_count(len(gradients), 'junction')}"
        )
    else:
        return None
    return Verdict("blocked", sentence, place.stage, (place.name,))


def causes(junctions: Sequence[Junction]) -> list[Cause]:
    """Return the causes in all stages whose direct path is changed; the stage that changes most comes first."""
    changed = [path for path in direct_paths(junctions) if not path.is_whole]
    changed.sort(key=lambda path: -abs(path.change))
    return [cause for path in changed for cause in causes_of(path)]


def causes_of(path: DirectPath) -> list[Cause]:
    """Return what changes a direct path in the direction in which it is changed, the strongest cause first.

    Causes with less than half of the strongest one's effect, in decades, are left out.
    """
    sign = 1 if path.change > 0 else -1
    sizes: dict[CauseKind, float] = {}
    places: dict[CauseKind, list[tuple[float, Junction]]] = {}

    def add(kind: CauseKind, size: float, junction: Junction) -> None:
        sizes[kind] = sizes.get(kind, 0.0) + sign * size
        places.setdefault(kind, []).append((sign * size, junction))

    for (of_h, of_f), junction in zip(path.changes(), path.junctions, strict=True):
        add(_kind_of_shortcut(junction), of_h, junction)
        if of_h == NOTHING_LEFT:
            continue  # What f would have changed is not known.
        of_truncation, of_the_rest = _parts_of_f(junction, of_f)
        add("truncation", of_truncation, junction)
        add("norm" if has_norm(junction) else "other f", of_the_rest, junction)
    least = SHARE_OF_A_SECOND_CAUSE * max(sizes.values())
    found = [
        Cause(kind, _name_junctions(kind, places[kind], path), path) for kind in sizes if sizes[kind] >= least
    ]
    return sorted(found, key=lambda cause: -sizes[cause.kind])


def _name_junctions(
    kind: CauseKind, places: Sequence[tuple[float, Junction]], path: DirectPath
) -> tuple[Junction, ...]:
    """Return the junctions to name of a cause, by its size at each junction; the strongest comes first."""
    if path.gain == 0:
        zeros = [j for j in path.junctions if kind == "multiple" and j.effective_lambda == 0]
        return tuple(zeros or (junction for size, junction in places if math.isinf(size)))
    # Equal changes differ by rounding; they keep the order of the forward pass.
    strongest_first = sorted(places, key=lambda place: -round(place[0], 3))
    least = SHARE_OF_THE_STRONGEST * strongest_first[0][0]
    return tuple(junction for size, junction in strongest_first if size > 0 and size >= least)


def has_norm(junction: Junction) -> bool:
    """Return whether a normalisation stands behind the addition."""
    return any("norm" in name.lower() for name in junction.f)


def _kind_of_shortcut(junction: Junction) -> CauseKind:
    if junction.kind == "gate":
        return "gate"
    return "operations" if junction.kind in ("projection", "operations") else "multiple"


def _parts_of_f(junction: Junction, change: float) -> tuple[float, float]:
    """Return the decades of f that its truncation takes, and those that the rest of f changes."""
    blocked = junction.gradient_blocked if junction.gradient_blocked is not None else junction.energy_cut
    if blocked is None:
        return 0.0, change
    if not has_norm(junction):
        return change, 0.0
    # The share of the whole gradient that the activation stops stands for the share of the direct term.
    truncated = 0.5 * math.log10(1 - blocked) if blocked < 1 else NOTHING_LEFT
    if math.isinf(change) or math.isinf(truncated):
        return change, 0.0
    return truncated, change - truncated


def _direct(paths: Sequence[DirectPath], worst: DirectPath) -> Verdict:
    count = sum(len(path.junctions) for path in paths)
    passed = "the junction" if count == 1 else f"all {count} junctions"
    where = "" if len(paths) == 1 else f" of each of the {len(paths)} stages"
    whole = abs(worst.gain - 1) < WHOLE_WITHIN
    amount = "whole" if whole else f"nearly whole, {to_two_digits(worst.gain)} times its norm at the least"
    return Verdict(
        "direct",
        f"direct: past the branches, the gradient at the end{where} passes {passed} {amount} (direct_gain)",
        direct_gain=worst.gain,
    )


def _sentence(found: Sequence[Cause]) -> str:
    path = found[0].path
    first = path.junctions[0].name
    start = f"{found[0].verdict}: past the branches of stage {path.stage}"
    by = ", and by ".join(f"{_what(cause)} at {_where(cause)}" for cause in found)
    if path.gain == 0:
        return f"{start} no gradient passes (direct_gain 0): it is stopped by {by}"
    amount = (
        f"the gradient at its end grows to {to_two_digits(path.gain)} times its norm on the way to {first}"
        if path.change > 0
        else f"only {to_two_digits(path.gain)} of the gradient at its end reaches {first}"
    )
    return f"{start} {amount} (direct_gain), most of all by {by}"


def _where(found: Cause) -> str:
    place = found.junctions or found.path.junctions[:1]
    return f"{place[0].name}{count_others(place)}"


def _what(found: Cause) -> str:
    junction = found.junctions[0] if found.junctions else found.path.junctions[0]
    functions = ", ".join(junction.f)
    match found.kind:
        case "multiple":
            scale, r2 = junction.effective_lambda, junction.lambda_r2 or 0.0
            if scale is not None and scale != 1 and r2 >= MULTIPLE_OF_X:
                return f"the shortcut h(x) = {scale:.3g} x"
            return (
                f"the shortcut ({', '.join(junction.operations)})" if junction.operations else "the shortcut"
            )
        case "gate":
            return "the gate on the shortcut"
        case "operations":
            name = ", ".join(junction.operations) or junction.kind
            return f"the shortcut ({name})"
        case "truncation":
            name = f"the activation ({functions})" if functions else "the activation"
            return f"{name} after the addition"
        case "norm":
            return f"the norm ({functions}) after the addition"
        case "other f":
            return f"what follows the addition{f' ({functions})' if functions else ''}"
