"""measure: find the junctions, then pass the signal through them once, forward and backward."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

from torch import nn

from resunit.errors import PropagationError
from resunit.propagation.detect.detection import detect
from resunit.propagation.detect.sites import Detection, Site
from resunit.propagation.junction import BF16_MAX, FP16_MAX, Junction
from resunit.propagation.measures.collecting import collect
from resunit.propagation.measures.correlation import sample_correlations
from resunit.propagation.measures.jacobian import singular_values
from resunit.propagation.measures.lesions import loss_changes
from resunit.propagation.measures.losses import Loss
from resunit.propagation.measures.passes import check
from resunit.propagation.measures.state import differentiable, preserved
from resunit.propagation.measures.sums import Sums
from resunit.propagation.result import Propagation

Also = Literal["lesion", "jacobian", "correlation"]


def measure(
    model: nn.Module,
    inputs: Any,
    targets: Any = None,
    loss: Loss | None = None,
    *,
    also: Sequence[Also] = (),
    name: str | None = None,
) -> Propagation:
    """Find every junction h(x) + F(x) of `model` and measure the signal through it on one batch.

    Args:
        model: any network, in the mode (train or eval) to measure it in; it is left exactly as it was.
        inputs: a tensor, a tuple or list of arguments, or a mapping of keyword arguments.
        targets: class indices for the default loss; by default E is the mean square of the output.
        loss: a function of output and targets that returns a scalar.
        also: measures on request: "lesion" (a forward pass a junction), "jacobian" (power iteration, many
            passes through each), "correlation" (one forward pass).
        name: for pictures; by default that of the model's class.

    Raises:
        PropagationError: a model without junctions, or that cannot be measured as it is; inputs it does not
            take; a loss that is no scalar. The message says the remedy.
    """
    return Instrument(model, name=name).measure(inputs, targets, loss, also=also)


class Instrument:
    """Measures one network again and again: the junctions are found on the first batch and kept."""

    def __init__(self, model: nn.Module, *, name: str | None = None):
        self.model = model
        self.name = name or type(model).__name__
        self.detection: Detection | None = None

    def measure(
        self, inputs: Any, targets: Any = None, loss: Loss | None = None, *, also: Sequence[Also] = ()
    ) -> Propagation:
        """As `measure`; junctions that a pass does not come by (of dropped units) have no numbers."""
        if isinstance(also, str):
            raise PropagationError(f"also is a list of measures: also=[{also!r}]")
        for wanted in also:
            if wanted not in get_args(Also):
                raise PropagationError(f"unknown measure {wanted!r}; known: {', '.join(get_args(Also))}")
        check(self.model, inputs)
        detection = self.detection or self.detect(inputs, targets, loss)
        collected = self._collect(detection, inputs, targets, loss)
        if not collected:  # another path through the network than the one that is known
            detection = self.detect(inputs, targets, loss)
            collected = self._collect(detection, inputs, targets, loss)
        junctions = _junctions(detection.sites, collected)
        for wanted in also:
            name, values = self._on_request(wanted, detection.sites, inputs, targets, loss)
            pairs = zip(junctions, values, strict=True)
            junctions = [replace(junction, **{name: value}) for junction, value in pairs]
        return Propagation(tuple(junctions), detection.unseen, self.name)

    def detect(self, inputs: Any, targets: Any = None, loss: Loss | None = None) -> Detection:
        """Find the junctions; raises PropagationError if there are none."""
        check(self.model, inputs)
        with preserved(self.model):
            differentiable(self.model)
            self.detection = detect(self.model, inputs, targets, loss)
        if not self.detection.sites:
            count = self.detection.additions
            seen = f"none of its {count} additions joins" if count else "no addition in it joins"
            hidden = "".join(f"; {sentence}" for sentence in self.detection.unseen)
            raise PropagationError(
                f"{self.name} has no junction h(x) + F(x): {seen} a value with a function of it that has "
                f"parameters{hidden or '; subtractions and sums over a stacked dimension are not looked for'}"
            )
        return self.detection

    def _on_request(
        self, wanted: Also, sites: tuple[Site, ...], inputs: Any, targets: Any, loss: Loss | None
    ) -> tuple[str, Sequence[float | None]]:
        if wanted == "lesion":
            return "loss_change", loss_changes(self.model, inputs, targets, loss, sites)
        if wanted == "jacobian":
            return "singular_value", singular_values(self.model, inputs, sites)
        return "sample_correlation", sample_correlations(self.model, inputs, targets, loss, sites)

    def _collect(
        self, detection: Detection, inputs: Any, targets: Any, loss: Loss | None
    ) -> dict[int, Sums[float]]:
        def once(careful: bool) -> dict[int, Sums[float]]:
            with preserved(self.model):
                differentiable(self.model)
                return collect(self.model, inputs, targets, loss, detection, careful=careful)

        collected = once(careful=False)
        energies = [
            value
            for sums in collected.values()
            for value in (sums.input_energy, sums.sum_energy, sums.input_gradient, sums.sum_gradient)
            if value is not None
        ]
        return collected if all(1e-30 < value < 1e30 for value in energies) else once(careful=True)


def _junctions(sites: Sequence[Site], collected: Mapping[int, Sums[float]]) -> list[Junction]:
    """The measures from the sums; see Junction for each formula."""
    gradients = [collected[number].sum_gradient for number in sorted(collected)]
    last_gradient = next((value for value in reversed(gradients) if value is not None), None)
    follower = {site.previous: number for number, site in reversed(list(enumerate(sites)))}
    products: dict[int, tuple[float | None, float | None]] = {}
    junctions = []
    for number, site in enumerate(sites):
        sums = collected.get(number)
        after = follower.get(number)
        f = sites[after].previous_f if after is not None else ()
        effective_lambda, lambda_r2 = (None, None) if sums is None else _lambda(site, sums)
        f_scale, f_r2 = _f_scale(f, sums) if after is not None else (None, None)
        product, path = _products(site, sites, products, effective_lambda)
        left = None if path is None or f_scale is None else path * f_scale
        products[number] = product, left
        junction = Junction(
            name=site.name,
            kind=site.kind,
            operations=site.operations,
            f=f,
            stage=site.stage,
            shape=site.shape if sums is None else sums.shape,
            exact=site.exact,
            effective_lambda=effective_lambda,
            lambda_r2=lambda_r2,
            lambda_product=product,
            f_scale=f_scale,
            f_r2=f_r2,
            path_product=left,
        )
        junctions.append(junction if sums is None else _measured(junction, site, sums, last_gradient))
    return junctions


def _measured(junction: Junction, site: Site, sums: Sums[float], last_gradient: float | None) -> Junction:
    """`junction` with what one pass says of it; `last_gradient` is ||dE/dy_L||^2."""
    shortcut, branch = math.sqrt(sums.shortcut_energy), math.sqrt(sums.branch_energy)
    return replace(
        junction,
        branch_share=_ratio(branch, branch + shortcut),
        cosine=_ratio(sums.shortcut_branch_product, math.sqrt(sums.shortcut_energy * sums.branch_energy)),
        stream_rms=math.sqrt(sums.sum_energy / max(1, math.prod(sums.shape))),
        stream_growth=_root_ratio(
            sums.sum_energy, sums.shortcut_energy if site.x_is_term else sums.input_energy
        ),
        closure_error=_root_ratio(sums.closure_energy, sums.sum_energy),
        gradient_gain=_root_ratio(sums.input_gradient, last_gradient),
        gradient_direct=_root_ratio(sums.direct_gradient, last_gradient),
        gradient_branch=_root_ratio(sums.branch_gradient, last_gradient),
        negative_share=sums.negative_share,
        energy_cut=_ratio(sums.cut_energy, sums.activated_energy),
        gradient_blocked=_blocked(site, sums),
        nonfinite_share=sums.nonfinite_share or 0.0,
        headroom_bf16=_headroom(BF16_MAX, sums.sum_peak),
        headroom_fp16=_headroom(FP16_MAX, sums.sum_peak),
    )


def _lambda(site: Site, sums: Sums[float]) -> tuple[float | None, float | None]:
    if site.x_is_term:
        return 1.0, 1.0
    energy, product = sums.input_energy, sums.shortcut_input_product
    if energy is None or product is None:  # of another size, or not seen
        same_size = site.x_shape is None or math.prod(site.x_shape) == math.prod(site.shape)
        return (1.0, 1.0) if site.kind == "identity" and same_size else (None, None)
    effective = _ratio(product, energy)
    fit = _ratio(product**2, sums.shortcut_energy * energy)
    return effective, (1.0 if effective == 0 and sums.shortcut_energy == 0 else fit)


def _f_scale(f: tuple[str, ...], sums: Sums[float] | None) -> tuple[float | None, float | None]:
    if not f:
        return 1.0, 1.0
    if sums is None:
        return None, None
    if f == ("relu",) and sums.cut_energy is not None:
        # <relu(y), y> = ||relu(y)||^2: the energy that is kept, in scale and in fit
        cut = _ratio(sums.cut_energy, sums.activated_energy)
        return (None, None) if cut is None else (1 - cut, 1 - cut)
    energy, product = sums.output_energy, sums.output_sum_product
    if energy is None or product is None:
        return None, None
    return _ratio(product, sums.sum_energy), _ratio(product**2, energy * sums.sum_energy)


def _products(
    site: Site,
    sites: Sequence[Site],
    products: Mapping[int, tuple[float | None, float | None]],
    effective_lambda: float | None,
) -> tuple[float | None, float | None]:
    """Running products of lambda, and of lambda and f, within the stage and up to this junction's sum."""
    if effective_lambda is None:
        return None, None
    product, path = 1.0, 1.0
    if (before := _before_in_stage(site, sites)) is not None:
        product, path = products[before]
        if _before_in_stage(sites[before], sites) is None:  # begins the stage; of a new size it has no lambda
            product, path = 1.0 if product is None else product, 1.0 if path is None else path
    return (
        None if product is None else product * effective_lambda,
        None if path is None else path * effective_lambda,
    )


def _before_in_stage(site: Site, sites: Sequence[Site]) -> int | None:
    before = site.previous
    return before if before is not None and sites[before].stage == site.stage else None


def _blocked(site: Site, sums: Sums[float]) -> float | None:
    activates_sum = site.truncation is not None and site.truncation.before is None
    passed = sums.sum_gradient if activates_sum else sums.activated_gradient
    share = _ratio(passed, sums.activation_gradient)
    return None if share is None else min(1.0, max(0.0, 1 - share))


def _headroom(largest: float, peak: float) -> float | None:
    return math.log2(largest / peak) if math.isfinite(peak) and peak != 0 else None


def _ratio(a: float | None, b: float | None) -> float | None:
    """A / b, None where one is missing or b is zero."""
    return None if a is None or b is None or b == 0 or math.isnan(b) else a / b


def _root_ratio(a: float | None, b: float | None) -> float | None:
    """The ratio of two norms from their squares."""
    quotient = _ratio(a, b)
    return None if quotient is None else math.sqrt(quotient)
