"""Designs: how a unit's parts are arranged, the paper's (Tables 1 and 2) and later ones.

A design is one function and one row of `DESIGNS`. The function's keyword arguments are the design's options, with
their defaults; `models/options.py` has their ranges. Where the paper is silent: shortcuts other than the
identity act after the size change, gates have a bias and no BN, and the 1x1 shortcut makes the size change
itself and has BN.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from resunit.errors import UsageError, unknown
from resunit.models.design_source import is_own_design
from resunit.models.residual_unit import (
    BN_AFTER_ADDITION,
    FULL_PREACTIVATION,
    ORIGINAL,
    RELU_BEFORE_ADDITION,
    RELU_ONLY_PREACTIVATION,
    WITHOUT_NORM,
    Placement,
    ResidualUnit,
    chain,
)
from resunit.models.shortcuts import (
    DropoutShortcut,
    ExclusivelyGatedUnit,
    Gate,
    GatedShortcut,
    LearnedScale,
    Scale,
    StochasticDepth,
    projection,
)


@dataclass(frozen=True)
class UnitParts:
    """The parts of a plain unit that maps `in_channels` to `out_channels`; a design joins them.

    Attributes:
        branch: F.
        size_change: returns a fresh module for the shortcut's change of size, which is the identity where nothing
            changes; a design whose shortcut makes the change itself never calls it.
        after_addition: f.
        shared_preact: the activation before the split into two paths.
        in_channels: channels of x_l.
        out_channels: channels of x_{l+1}.
        stride: by how much H and W shrink.
        norm_after_weights: whether BN follows the last weight layer of a path.
        depth: l / L for the l-th of L units.
    """

    branch: nn.Module
    size_change: Callable[[], nn.Module]
    after_addition: nn.Module
    shared_preact: nn.Module
    in_channels: int
    out_channels: int
    stride: int
    norm_after_weights: bool
    depth: float

    def unit(
        self,
        *,
        shortcut: nn.Module | None = None,
        whole_shortcut: nn.Module | None = None,
        after_branch: nn.Module | None = None,
        unit_class: Callable[..., nn.Module] = ResidualUnit,
    ) -> nn.Module:
        """Return the unit; the arguments are what differs from the plain unit.

        Args:
            shortcut: acts on x after the size change.
            whole_shortcut: takes the place of the size change.
            after_branch: acts on the output of F.
            unit_class: joins branch, shortcut, after_addition and shared_preact.
        """
        if whole_shortcut is None:
            whole_shortcut = chain([self.size_change(), *([] if shortcut is None else [shortcut])])
        branch = self.branch if after_branch is None else chain([self.branch, after_branch])
        return unit_class(branch, whole_shortcut, self.after_addition, self.shared_preact)


def identity_shortcut(parts: UnitParts) -> nn.Module:
    """Return the unit with h(x) = x."""
    return parts.unit()


def plain(parts: UnitParts) -> nn.Module:
    """Return the unit with h(x) = 0: a network without shortcuts, the first row of scaling in Table 1."""
    return parts.unit(shortcut=Scale(0.0))


def constant_scaling(parts: UnitParts, shortcut_scale: float = 0.5, branch_scale: float = 1.0) -> nn.Module:
    """Return the unit with h(x) = shortcut_scale x, Eq. (6)."""
    after_branch = None if branch_scale == 1 else Scale(branch_scale)
    return parts.unit(shortcut=Scale(shortcut_scale), after_branch=after_branch)


def exclusive_gating(parts: UnitParts, gate_bias: float = -6.0) -> nn.Module:
    """Return the unit with (1 - g) h(x) + g F(x) (section 3.1)."""
    gate = Gate(parts.out_channels, gate_bias)
    return parts.unit(unit_class=partial(ExclusivelyGatedUnit, gate=gate))


def shortcut_only_gating(parts: UnitParts, gate_bias: float = -6.0) -> nn.Module:
    """Return the unit with h(x) = (1 - g(x)) x (section 3.1)."""
    return parts.unit(shortcut=GatedShortcut(Gate(parts.out_channels, gate_bias)))


def conv_shortcut(parts: UnitParts) -> nn.Module:
    """Return the unit whose shortcut is a 1x1 convolution (section 3.1)."""
    h = projection(parts.in_channels, parts.out_channels, parts.stride, parts.norm_after_weights)
    return parts.unit(whole_shortcut=h)


def dropout_shortcut(
    parts: UnitParts, drop_probability: float = 0.5, inverted_dropout: bool = False
) -> nn.Module:
    """Return the unit with h(x) = dropout(x) (section 3.1)."""
    return parts.unit(shortcut=DropoutShortcut(drop_probability, inverted_dropout))


def scalar_on_branch(parts: UnitParts) -> nn.Module:
    """Return the unit with x + a F(x), where a is a learned number that begins at 0.

    ReZero (Bachlechner et al. 2020); without norm, SkipInit (De and Smith 2020).
    """
    return parts.unit(after_branch=LearnedScale(1, 0.0))


def layer_scale(parts: UnitParts, initial_scale: float = 1e-5) -> nn.Module:
    """Return the unit with x + diag(a) F(x), a learned number for each channel (Touvron et al. 2021)."""
    return parts.unit(after_branch=LearnedScale(parts.out_channels, initial_scale))


def stochastic_depth(parts: UnitParts, final_survival: float = 0.5) -> nn.Module:
    """Return the unit whose branch is dropped at random in training, more often in deeper units (Huang et al. 2016)."""
    return parts.unit(after_branch=StochasticDepth(1 - parts.depth * (1 - final_survival)))


def unknown_design(name: str) -> UsageError:
    """Return the error for a design that is not known; a name alone never imports code."""
    if is_own_design(name):
        return UsageError(f"design {name!r} is code of your own; resunit.add_design({name!r}) imports it")
    return unknown("design", name, DESIGNS)


@dataclass(frozen=True)
class Design:
    """The placement of the activations, and how the parts are joined: a row of Table 1 or 2, or a later idea.

    Attributes:
        placement: a line of Fig. 4.
        join: returns a unit for its `UnitParts`; the keyword arguments are the design's options, with defaults.
        of_the_paper: whether the design is one of Tables 1 and 2.
    """

    placement: Placement
    join: Callable[..., nn.Module]
    of_the_paper: bool = True

    @property
    def options(self) -> dict[str, object]:
        """The design's options and their defaults."""
        return {p.name: p.default for p in list(inspect.signature(self.join).parameters.values())[1:]}


DESIGNS: dict[str, Design] = {
    "original": Design(ORIGINAL, identity_shortcut),
    "plain": Design(ORIGINAL, plain),
    "constant-scaling": Design(ORIGINAL, constant_scaling),
    "exclusive-gating": Design(ORIGINAL, exclusive_gating),
    "shortcut-only-gating": Design(ORIGINAL, shortcut_only_gating),
    "conv-shortcut": Design(ORIGINAL, conv_shortcut),
    "dropout-shortcut": Design(ORIGINAL, dropout_shortcut),
    "bn-after-addition": Design(BN_AFTER_ADDITION, identity_shortcut),
    "relu-before-addition": Design(RELU_BEFORE_ADDITION, identity_shortcut),
    "relu-only-preactivation": Design(RELU_ONLY_PREACTIVATION, identity_shortcut),
    "full-preactivation": Design(FULL_PREACTIVATION, identity_shortcut),
    "rezero": Design(FULL_PREACTIVATION, scalar_on_branch, of_the_paper=False),
    "skipinit": Design(WITHOUT_NORM, scalar_on_branch, of_the_paper=False),
    "layer-scale": Design(FULL_PREACTIVATION, layer_scale, of_the_paper=False),
    "stochastic-depth": Design(ORIGINAL, stochastic_depth, of_the_paper=False),
}
