"""Naming junctions after the modules that add."""

from collections import Counter
from collections.abc import Sequence

from resunit.propagation.detect.joined_addition import JoinedAddition
from resunit.propagation.detect.recorder import ForwardRecorder


def name_junctions(recorder: ForwardRecorder, joined: Sequence[JoinedAddition]) -> list[str]:
    """Return a name for each junction, all different.

    A junction is named after the module that adds. If a module adds more than once, the names are those of
    the modules within it that compute the branches; names that are still equal get "#1", "#2", ...

    Args:
        recorder: what the forward pass showed.
        joined: the junctions.
    """
    junctions_in = Counter(junction.addition.call.module for junction in joined)
    names = []
    for junction in joined:
        name = module = junction.addition.call.module
        if junctions_in[module] > 1:
            branch = recorder.returned_by.get(junction.paths.branch[0][0], "")
            is_within = branch.startswith(f"{module}." if module else "") and branch != module
            name = branch if is_within and branch else module
        names.append(name or "(model)")
    return number_equal_names(names)


def number_equal_names(names: Sequence[str]) -> list[str]:
    """Return the names, of which those that are equal get "#1", "#2", ..."""
    total, so_far = Counter(names), Counter[str]()
    numbered = []
    for name in names:
        so_far[name] += 1
        numbered.append(name if total[name] == 1 else f"{name}#{so_far[name]}")
    return numbered
