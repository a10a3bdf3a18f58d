"""Naming junctions after the modules that add."""

from collections import Counter
from collections.abc import Sequence

from resunit.propagation.detect.recorder import Addition, ForwardRecorder
from resunit.propagation.detect.shortcut_kinds import ShortcutAndBranch


def name_junctions(
    recorder: ForwardRecorder, additions: Sequence[Addition], paths: Sequence[ShortcutAndBranch]
) -> list[str]:
    """Return a name for each junction, all different.

    A junction is named after the module that adds. If a module adds more than once, the names are those of
    the modules within it that compute the branches; names that are still equal get "#1", "#2", ...

    Args:
        recorder: what the forward pass showed.
        additions: the additions that are junctions.
        paths: the shortcut and the branch of each.
    """
    junctions_in = Counter(addition.call.module for addition in additions)
    names = []
    for addition, path in zip(additions, paths, strict=True):
        name = module = addition.call.module
        if junctions_in[module] > 1:
            edges = path.branch.edges
            branch = recorder.returned_by.get(edges[0][0], "") if edges else ""
            is_within = branch.startswith(f"{module}." if module else "") and branch != module
            name = branch if is_within and branch else module
        names.append(name or "(model)")
    return _numbered(names)


def _numbered(names: list[str]) -> list[str]:
    total, so_far = Counter(names), Counter[str]()
    numbered = []
    for name in names:
        so_far[name] += 1
        numbered.append(name if total[name] == 1 else f"{name}#{so_far[name]}")
    return numbered
