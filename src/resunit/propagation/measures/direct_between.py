"""The direct term between any two junctions of a stage, by running the measured pass once more."""

import math
import operator
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from resunit.errors import PropagationError
from resunit.propagation.detect.found_junction import Detection
from resunit.propagation.forward.loss import Loss
from resunit.propagation.forward.random_state import RandomState
from resunit.propagation.forward.snapshot import tensors_within
from resunit.propagation.forward.state import preserved_state, require_gradients
from resunit.propagation.measures.junction_sums import JunctionSums
from resunit.propagation.measures.measuring_pass import run_measuring_pass

CHANGED = "the network, its mode or its batch has changed since it was measured; measure it again"
LARGEST_CHANGE = 1e-2  # of the norm of dE/dx_L, up to which a repeated pass counts as the same


class DirectBetween:
    """Repeats the pass of one measurement from another beginning of the direct term.

    It keeps the network and the batch, and no graph. Each beginning costs one pass, and is kept.

    Args:
        model: the network.
        inputs: what it was measured on.
        targets: see `resunit.propagation.measure`.
        loss: see there.
        detection: its junctions.
        random_state: the random state before the measured pass.
        sums: the sums of the measured pass.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Any,
        targets: Any,
        loss: Loss | None,
        detection: Detection,
        random_state: RandomState,
        sums: Mapping[int, JunctionSums[float]],
    ):
        self._model = model
        self._batch = inputs, targets, loss
        self._detection = detection
        self._random_state = random_state
        self._measured = {number: of_junction.input_gradient for number, of_junction in sums.items()}
        self._passes: dict[int, dict[int, JunctionSums[float]]] = {}
        self._measured_versions = self._versions()

    def gain(self, l: int, L: int) -> float:  # noqa: E741 - the paper's letters
        """Return ||the direct term at x_l|| / ||dE/dx_L||, where the direct term begins with dE/dx_L.

        Raises:
            PropagationError: the junctions are no two of one stage, the network has changed since it was
                measured, or a gradient is missing.
        """
        junctions = self._detection.junctions
        l, L = _whole_number(l), _whole_number(L)  # noqa: E741
        for letter, number in {"l": l, "L": L}.items():
            if not 0 <= number < len(junctions):
                raise PropagationError(
                    f"there is no junction {number}; give {letter} from 0 to {len(junctions) - 1}"
                )
        number: int | None = L
        while number is not None and number > l:
            junction = junctions[number]
            before = junction.previous
            number = before if before is not None and junctions[before].stage == junction.stage else None
        if l >= L or number != l:
            raise PropagationError(
                f"no direct path leads from junction {l} ({junctions[l].name}, stage {junctions[l].stage}) to "
                f"junction {L} ({junctions[L].name}, stage {junctions[L].stage}); give two of one stage, l < L"
            )
        for number in (l, L):
            if number not in self._measured:
                raise PropagationError(
                    f"the batch did not reach {junctions[number].name}; choose another junction"
                )
        sums = self._sums_from(L)
        began = sums[L].end_gradient if L in sums else None
        arrived = sums[l].direct_term if l in sums else None
        if not began or arrived is None:
            missing, where = (L, "the gradient") if not began else (l, "the direct term")
            raise PropagationError(
                f"{where} at the entry of {junctions[missing].name} is zero or was not seen; "
                "choose another junction"
            )
        return math.sqrt(arrived / began)

    def _sums_from(self, start: int) -> dict[int, JunctionSums[float]]:
        if start not in self._passes:
            if self._versions() != self._measured_versions:
                raise PropagationError(CHANGED)
            inputs, targets, loss = self._batch
            with preserved_state(self._model):
                self._random_state.restore()
                require_gradients(self._model)
                sums = run_measuring_pass(
                    self._model, inputs, targets, loss, self._detection, careful=True, start=start
                )
            self._measured_versions = self._versions()  # A pass may write to what it reads.
            now = sums[start].input_gradient if start in sums else None
            if not _are_close(now, self._measured.get(start)):
                raise PropagationError(CHANGED)
            self._passes[start] = sums
        return self._passes[start]

    def _versions(self) -> list[object]:
        """Return what changes with the values of the parameters and of the batch, and with the modes.

        The values of buffers are not part of it, because each forward pass in training mode moves them. Where
        they matter the gradient shows it.
        """
        inputs, targets, _ = self._batch
        tensors = [*self._model.parameters(), *tensors_within([inputs, targets])]
        modes = [module.training for module in self._model.modules()]
        return [modes, *((tensor.dtype, _version(tensor)) for tensor in tensors)]


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version


def _whole_number(number: int) -> int:
    try:
        return operator.index(number)
    except TypeError as error:
        raise PropagationError(
            f"{number!r} is no number of a junction; give l and L as whole numbers from 0"
        ) from error


def _are_close(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return not (math.isfinite(a) and math.isfinite(b)) or math.isclose(a, b, rel_tol=2 * LARGEST_CHANGE)
