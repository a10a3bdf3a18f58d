"""Saying why a network or a batch leaves measures absent: an absent measure is never zero or NaN."""

from collections.abc import Mapping, Sequence

from resunit.io.format import format_count
from resunit.propagation.detect.found_junction import Detection, FoundJunction
from resunit.propagation.measures.branch_products import affordable_branch_products
from resunit.propagation.measures.junction_sums import JunctionSums


def explain_absences(detection: Detection, sums: Mapping[int, JunctionSums[float]]) -> list[str]:
    """Return a sentence for each reason why measures are absent.

    Args:
        detection: the junctions.
        sums: the sums of the junctions that the pass reached, by their numbers.
    """
    reached = [number for number in range(len(detection.junctions)) if number in sums]
    arriving = [sums[number].sum_gradient for number in reached]
    if not any(arriving):
        return [
            "no gradient of the loss reaches any junction (its norm is 0), as after a head whose weights are "
            "zero or from an output of zeros: the measures of the gradient are absent; train the head, give "
            "it weights that are not zero, or give another loss="
        ]
    sentences = []
    without = [number for number in reached if not sums[number].sum_gradient]
    if without:
        sentences.append(
            f"no gradient of the loss reaches {_name_junctions(detection.junctions, without)} (its norm is 0): "
            "the measures of the gradient are absent there; give a loss that uses their outputs, and weights that "
            "are not zero behind them"
        )
    affordable = affordable_branch_products(detection)
    if costly := [number for number in reached if number not in affordable]:
        sentences.append(
            f"gradient_branch is absent at {_name_junctions(detection.junctions, costly)}: the branch reaches back "
            "through most of the network, and a backward pass for each would be needed"
        )
    unseen = [number for number in reached if sums[number].sum_gradient and sums[number].direct_term is None]
    if unseen:
        sentences.append(
            f"direct_gain is absent at {_name_junctions(detection.junctions, unseen)}: x, or what stands between two "
            "junctions, is a step within a function that torch does not show; write it as calls of its own"
        )
    return sentences


def _name_junctions(junctions: Sequence[FoundJunction], numbers: Sequence[int]) -> str:
    others = len(numbers) - 1
    return junctions[numbers[0]].name + (f" and {format_count(others, 'other')}" if others else "")
