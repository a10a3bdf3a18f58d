"""The verdicts on the signal during a run: that of the last measurement, and that of the first one if it differs."""

from collections.abc import Sequence
from dataclasses import dataclass

from resunit.runs.schema import PropagationLine


@dataclass(frozen=True)
class ShownVerdict:
    """A sentence about the signal, and the measurement that it is from, such as "step 40, the last measurement"."""

    sentence: str
    when: str


def select_verdicts(lines: Sequence[PropagationLine]) -> list[ShownVerdict]:
    """Return the verdict of a run's last measurement, and that of the first where it says something else.

    A measurement that was refused has its reason instead. Lines before format 3 have no verdict and are left out.
    """
    said = [(line.step, sentence) for line in lines if (sentence := _sentence(line)) is not None]
    if not said:
        return []
    (first_step, first), (last_step, last) = said[0], said[-1]
    if first_step == last_step:
        return [ShownVerdict(last, f"step {last_step:,}")]
    if first == last:
        return [ShownVerdict(last, f"the same at step {first_step:,} and at step {last_step:,}")]
    return [
        ShownVerdict(last, f"step {last_step:,}, the last measurement"),
        ShownVerdict(first, f"step {first_step:,}, the first measurement"),
    ]


def _sentence(line: PropagationLine) -> str | None:
    return line.verdict if line.refused is None else f"the signal was not measured: {line.refused}"
