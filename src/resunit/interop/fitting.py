"""Which architectures the tensors of a file fit, for the message to a user who named another."""

from collections.abc import Iterator, Mapping

from torch import Tensor

from resunit.errors import FileFormatError
from resunit.interop.library import Architecture, Library
from resunit.interop.mapping import has_classifier, to_ours
from resunit.interop.registry import LIBRARIES
from resunit.models.network import NetworkSpec, projects, unit_plans

WEIGHT_LAYERS = {"one-layer": 1, "basic": 2, "bottleneck": 3}


def find_fitting(tensors: Mapping[str, Tensor], first: Library) -> Iterator[tuple[str, str]]:
    """Yield the library and the name of each architecture that `tensors` fit, those of the library `first` first."""
    for library in (first, *(library for library in LIBRARIES.values() if library is not first)):
        state = library.rename(tensors)
        kernels = sum(tensor.ndim == 4 for tensor in state.values())
        for architecture in library.architectures.values():
            fitted = library.fit(architecture, state)
            if _kernels(fitted, state) == kernels and _fits(state, library, architecture):
                yield library.name, architecture.name


def convolutions(spec: NetworkSpec) -> int:
    """Return the number of convolutions of a network, from its spec alone."""
    plans = [plan for stage in unit_plans(spec) for plan in stage]
    projections = sum(projects(spec, plan) for plan in plans)
    return len(spec.deep_stem) + 1 + len(plans) * WEIGHT_LAYERS[spec.branch] + projections


def _kernels(architecture: Architecture, state: Mapping[str, Tensor]) -> int:
    is_kernel = architecture.conventions.classifier == "1x1" and has_classifier(state, architecture)
    return convolutions(architecture.spec) + is_kernel


def _fits(state: Mapping[str, Tensor], library: Library, architecture: Architecture) -> bool:
    try:
        to_ours(state, library, architecture)
    except FileFormatError:
        return False
    return True
