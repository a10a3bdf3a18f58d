"""measure: find the junctions, then pass the signal through them once, forward and backward."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

from torch import nn

from resunit.propagation.collecting import Collected, collect
from resunit.propagation.correlation import sample_correlations
from resunit.propagation.detection import detect
from resunit.propagation.errors import PropagationError
from resunit.propagation.jacobian import singular_values
from resunit.propagation.lesions import loss_changes
from resunit.propagation.losses import Loss
from resunit.propagation.passes import check
from resunit.propagation.records import BF16_MAX, FP16_MAX, Junction
from resunit.propagation.result import Propagation
from resunit.propagation.sites import Detection, Site
from resunit.propagation.state import differentiable, preserved

Numbers = Mapping[str, float]


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
        if not any(
            at_site.sums for at_site in collected
        ):  # another path through the network than the one that is known
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

    def _collect(self, detection: Detection, inputs: Any, targets: Any, loss: Loss | None) -> list[Collected]:
        def once(careful: bool) -> list[Collected]:
            with preserved(self.model):
                differentiable(self.model)
                return collect(self.model, inputs, targets, loss, detection, careful=careful)

        collected = once(careful=False)
        energies = [c.sums[name] for c in collected for name in ("x", "y", "g x", "g y") if name in c.sums]
        return collected if all(1e-30 < value < 1e30 for value in energies) else once(careful=True)


def _junctions(sites: Sequence[Site], collected: Sequence[Collected]) -> list[Junction]:
    """The measures from the sums; see Junction for each formula."""
    arriving = next((c.sums["g y"] for c in reversed(collected) if "g y" in c.sums), None)  # ||dE/dy_L||^2
    follower = {site.previous: number for number, site in reversed(list(enumerate(sites)))}
    products: dict[int, tuple[float | None, float | None]] = {}
    junctions = []
    for number, (site, at_site) in enumerate(zip(sites, collected, strict=True)):
        sums, shape = at_site.sums, at_site.shape or site.shape
        after = follower.get(number)
        f = sites[after].previous_f if after is not None else ()
        effective_lambda, lambda_r2 = _lambda(site, sums)
        f_scale, f_r2 = _f_scale(f, sums) if after is not None else (None, None)
        product, path = _products(site, sites, products, effective_lambda)
        left = None if path is None or f_scale is None else path * f_scale
        products[number] = product, left
        junctions.append(
            Junction(
                name=site.name,
                kind=site.kind,
                operations=site.operations,
                f=f,
                stage=site.stage,
                shape=shape,
                exact=site.exact,
                effective_lambda=effective_lambda,
                lambda_r2=lambda_r2,
                lambda_product=product,
                f_scale=f_scale,
                f_r2=f_r2,
                path_product=left,
                branch_share=_branch_share(sums),
                cosine=_ratio(sums.get("hF"), math.sqrt(sums["h"] * sums["F"])) if sums else None,
                stream_rms=math.sqrt(sums["y"] / max(1, math.prod(shape))) if sums else None,
                stream_growth=_root_ratio(sums.get("y"), sums.get("h") if site.x_is_term else sums.get("x")),
                closure_error=_root_ratio(sums.get("outside"), sums.get("y")),
                gradient_gain=_root_ratio(sums.get("g x"), arriving),
                gradient_direct=_root_ratio(sums.get("g direct"), arriving),
                gradient_branch=_root_ratio(sums.get("g branch"), arriving),
                negative_share=sums.get("negative"),
                energy_cut=_ratio(sums.get("cut"), sums.get("uncut")),
                gradient_blocked=_blocked(site, sums),
                nonfinite_share=sums.get("nonfinite", 0.0) if sums else None,
                headroom_bf16=_headroom(BF16_MAX, sums),
                headroom_fp16=_headroom(FP16_MAX, sums),
            )
        )
    return junctions


def _lambda(site: Site, sums: Numbers) -> tuple[float | None, float | None]:
    if not sums:
        return None, None
    if site.x_is_term:
        return 1.0, 1.0
    if "x" not in sums:  # of another size, or not seen
        same_size = site.x_shape is None or math.prod(site.x_shape) == math.prod(site.shape)
        return (1.0, 1.0) if site.kind == "identity" and same_size else (None, None)
    effective = _ratio(sums["hx"], sums["x"])
    fit = _ratio(sums["hx"] ** 2, sums["h"] * sums["x"])
    return effective, (1.0 if effective == 0 and sums["h"] == 0 else fit)


def _f_scale(f: tuple[str, ...], sums: Numbers) -> tuple[float | None, float | None]:
    if not f:
        return 1.0, 1.0
    if (
        f == ("relu",) and "cut" in sums
    ):  # <relu(y), y> = ||relu(y)||^2: the energy that is kept, in scale and in fit
        cut = _ratio(sums.get("cut"), sums.get("uncut"))
        return (None, None) if cut is None else (1 - cut, 1 - cut)
    if "fy" not in sums:
        return None, None
    return _ratio(sums["fy"], sums["y"]), _ratio(sums["fy"] ** 2, sums["f"] * sums["y"])


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
    if site.previous is not None and sites[site.previous].stage == site.stage:
        before, left = products[site.previous]
        begins = (
            sites[site.previous].previous is None
            or sites[sites[site.previous].previous or 0].stage != site.stage
        )
        product = before if before is not None else (1.0 if begins else None)
        path = left if left is not None else (1.0 if begins else None)
    return (
        None if product is None else product * effective_lambda,
        None if path is None else path * effective_lambda,
    )


def _branch_share(sums: Numbers) -> float | None:
    if not sums:
        return None
    branch, shortcut = math.sqrt(sums["F"]), math.sqrt(sums["h"])
    return _ratio(branch, branch + shortcut)


def _blocked(site: Site, sums: Numbers) -> float | None:
    passed = sums.get(
        "g y" if site.truncation is not None and site.truncation.before is None else "g let through"
    )
    share = _ratio(passed, sums.get("g arriving"))
    return None if share is None else min(1.0, max(0.0, 1 - share))


def _headroom(largest: float, sums: Numbers) -> float | None:
    peak = sums.get("peak")
    if peak is None or not math.isfinite(peak) or peak == 0:
        return None
    return math.log2(largest / peak)


def _ratio(a: float | None, b: float | None) -> float | None:
    """a / b, None where one is missing or b is zero."""
    return None if a is None or b is None or b == 0 or math.isnan(b) else a / b


def _root_ratio(a: float | None, b: float | None) -> float | None:
    """The ratio of two norms from their squares."""
    quotient = _ratio(a, b)
    return None if quotient is None else math.sqrt(quotient)
