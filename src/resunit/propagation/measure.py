"""Measuring a network: find the junctions, then run the network once forward and backward."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

from torch import nn

from resunit.errors import PropagationError
from resunit.io.format import format_count
from resunit.propagation.detect.detection import detect_junctions
from resunit.propagation.detect.found_junction import Detection
from resunit.propagation.forward.checks import check_measurable
from resunit.propagation.forward.loss import Loss
from resunit.propagation.forward.random_state import RandomState
from resunit.propagation.forward.state import preserved_state, require_gradients
from resunit.propagation.measures.absences import explain_absences
from resunit.propagation.measures.correlation import sample_correlations
from resunit.propagation.measures.direct_between import DirectBetween
from resunit.propagation.measures.formulas import compute_measures
from resunit.propagation.measures.jacobian import singular_values
from resunit.propagation.measures.junction_sums import JunctionSums
from resunit.propagation.measures.layer_pass import measure_layers
from resunit.propagation.measures.lesions import loss_changes
from resunit.propagation.measures.measuring_pass import run_measuring_pass
from resunit.propagation.measures.reasons import with_reasons
from resunit.propagation.result import Propagation

OnRequest = Literal["lesion", "jacobian", "correlation"]

# Sums of squares beyond these bounds are summed again in double precision: in single precision their parts
# may have vanished or overflowed.
SMALLEST_ENERGY, LARGEST_ENERGY = 1e-30, 1e30


def measure(
    model: nn.Module,
    inputs: Any,
    targets: Any = None,
    loss: Loss | None = None,
    *,
    also: Sequence[OnRequest] = (),
    name: str | None = None,
) -> Propagation:
    """Find every junction h(x) + F(x) of `model` and measure the signal through it on one batch.

    Args:
        model: any network, in the mode (train or eval) to measure it in. It is left exactly as it was.
        inputs: a tensor, a tuple or list of arguments, or a mapping of keyword arguments.
        targets: class indices for the default loss, or whatever `loss` takes. Without targets E is the mean
            square of the output.
        loss: a function of output and targets that returns a scalar tensor.
        also: measures that take longer: "lesion" (a forward pass for each junction), "jacobian" (power
            iteration, many passes through each junction), "correlation" (one forward pass).
        name: the name of the network in sentences and pictures; by default the name of its class.

    Returns:
        The measured junctions in the order of the forward pass; of a network without junctions, the signal and the
        gradient at its weight layers.

    Raises:
        PropagationError: the model cannot be measured as it is, or does not take the inputs; or the loss is no
            scalar. The message says the remedy.
    """
    return Instrument(model, name=name).measure(inputs, targets, loss, also=also)


class Instrument:
    """Measures one network repeatedly: it finds the junctions on the first batch and keeps them.

    Args:
        model: any network.
        name: the name of the network in sentences and pictures; by default the name of its class.

    Attributes:
        detection: the junctions that were found, or None before the first batch.
    """

    def __init__(self, model: nn.Module, *, name: str | None = None):
        self.model = model
        self.name = name or type(model).__name__
        self.detection: Detection | None = None

    def measure(
        self, inputs: Any, targets: Any = None, loss: Loss | None = None, *, also: Sequence[OnRequest] = ()
    ) -> Propagation:
        """Measure the network on one batch.

        A junction that this pass does not reach, such as one of a unit that stochastic depth drops, has no
        numbers.

        Args:
            inputs: see `resunit.propagation.measure`.
            targets: see there.
            loss: see there.
            also: see there.

        Raises:
            PropagationError: see there.
        """
        if isinstance(also, str):
            raise PropagationError(f"also is a list of measures; give also=[{also!r}]")
        for wanted in also:
            if wanted not in get_args(OnRequest):
                raise PropagationError(f"unknown measure {wanted!r}; known: {', '.join(get_args(OnRequest))}")
        check_measurable(self.model, inputs)
        random_state = RandomState.now(self.model)
        detection = self.detection or self.detect(inputs, targets, loss)
        if not detection.junctions:
            return self._measure_layers(detection, inputs, targets, loss, also)
        sums = self._sums(detection, inputs, targets, loss)
        if not sums:  # These inputs take another way through the network than the first ones did.
            detection = self.detect(inputs, targets, loss)
            if not detection.junctions:
                return self._measure_layers(detection, inputs, targets, loss, also)
            sums = self._sums(detection, inputs, targets, loss)
        junctions = compute_measures(detection.junctions, sums)
        for wanted in also:
            attribute, values = self._on_request(wanted, detection, inputs, targets, loss)
            pairs = zip(junctions, values, strict=True)
            junctions = [replace(junction, **{attribute: value}) for junction, value in pairs]
        return Propagation(
            tuple(with_reasons(junctions, detection, sums, also)),
            detection.unseen,
            self.name,
            tuple(explain_absences(detection, sums)),
            DirectBetween(self.model, inputs, targets, loss, detection, random_state, sums),
        )

    def detect(self, inputs: Any, targets: Any = None, loss: Loss | None = None) -> Detection:
        """Find the junctions on one batch, and keep them for the next measurements.

        Args:
            inputs: see `resunit.propagation.measure`.
            targets: see there.
            loss: see there.

        Raises:
            PropagationError: see there.
        """
        check_measurable(self.model, inputs)
        with preserved_state(self.model):
            require_gradients(self.model)
            self.detection = detect_junctions(self.model, inputs, targets, loss)
        detection = self.detection
        if not detection.junctions and (detection.may_hide_junctions or not detection.layers):
            raise PropagationError(_explain_absence(self.name, detection))
        return detection

    def _measure_layers(
        self, detection: Detection, inputs: Any, targets: Any, loss: Loss | None, also: Sequence[OnRequest]
    ) -> Propagation:
        """Measure the weight layers of a network without junctions."""
        with preserved_state(self.model):
            require_gradients(self.model)
            layers = measure_layers(self.model, inputs, targets, loss, detection)
        absent = [_explain_absence(self.name, detection)]
        if also:
            absent.append(f"{' and '.join(also)}: absent, because only junctions have these measures")
        return Propagation((), detection.unseen, self.name, tuple(absent), layers=tuple(layers))

    def _on_request(
        self, wanted: OnRequest, detection: Detection, inputs: Any, targets: Any, loss: Loss | None
    ) -> tuple[str, Sequence[float | None]]:
        """Return the name of an attribute of `Junction`, and its value for each junction."""
        if wanted == "lesion":
            return "loss_change", loss_changes(self.model, inputs, targets, loss, detection)
        if wanted == "jacobian":
            return "singular_value", singular_values(self.model, inputs, detection)
        return "sample_correlation", sample_correlations(self.model, inputs, targets, loss, detection)

    def _sums(
        self, detection: Detection, inputs: Any, targets: Any, loss: Loss | None
    ) -> dict[int, JunctionSums[float]]:
        """Run the measuring pass, in double precision if single precision does not suffice."""

        def sums_of_a_pass(careful: bool) -> dict[int, JunctionSums[float]]:
            with preserved_state(self.model):
                require_gradients(self.model)
                return run_measuring_pass(self.model, inputs, targets, loss, detection, careful=careful)

        sums = sums_of_a_pass(careful=False)
        energies = [
            value
            for of_junction in sums.values()
            for value in (
                of_junction.input_energy,
                of_junction.sum_energy,
                of_junction.input_gradient,
                of_junction.sum_gradient,
                of_junction.end_gradient,
            )
            if value is not None
        ]
        # A direct term of zero is right behind a shortcut that is multiplied by zero.
        is_closed = any(of_junction.shortcut_energy == 0 for of_junction in sums.values())
        energies += [
            value
            for of_junction in sums.values()
            for value in (of_junction.direct_term, of_junction.shortcut_term)
            if value is not None and not (is_closed and value == 0)
        ]
        suffices = all(SMALLEST_ENERGY < value < LARGEST_ENERGY for value in energies)
        return sums if suffices else sums_of_a_pass(careful=True)


def _explain_absence(name: str, detection: Detection) -> str:
    if detection.may_hide_junctions:
        return f"no junction of {name} could be measured: {'; '.join(detection.unseen)}"
    count = detection.additions
    seen = f"none of its {count} additions joins" if count else "no addition in it joins"
    reason = f"{name} has no junction h(x) + F(x): {seen} a value with a function of it that has parameters"
    if places := detection.concatenated:
        reason += (
            f"; it concatenates the two in {format_count(places, 'place')}, as dense nets do, and the layers behind "
            "have weights of their own for each"
        )
    return reason if detection.layers else f"{reason}; nor has it a weight layer"
