"""Designs: how a unit's parts are arranged, the paper's (Tables 1 and 2) and later ones.

One function and one table row each.

A design's keyword arguments are its options; their defaults are in the signature. Where the paper is
silent: a shortcut variant acts on the widened x at units that change size, gates carry a bias and no BN,
and the 1x1 shortcut makes the size change itself and carries BN.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from resunit.errors import UsageError, unknown
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
class Parts:
    """What a design joins into a unit that maps `in_channels` to `out_channels` at `stride`."""

    branch: nn.Module
    widen: Callable[[], nn.Module]  # makes the identity, or the change of size; not every design has it
    after: nn.Module
    before: nn.Module
    in_channels: int
    out_channels: int
    stride: int
    norm_after_weights: bool  # does BN follow the last weight layer of a path?
    depth: float  # of the unit in the network: the last has 1


def identity_shortcut(parts: Parts) -> nn.Module:
    return ResidualUnit(parts.branch, parts.widen(), parts.after, parts.before)


def plain(parts: Parts) -> nn.Module:
    """Shortcut times 0: a network without shortcuts, Table 1's first scaling row."""
    return constant_scaling(parts, shortcut_scale=0.0)


def constant_scaling(parts: Parts, shortcut_scale: float = 0.5, branch_scale: float = 1.0) -> nn.Module:
    shortcut = chain([parts.widen(), Scale(shortcut_scale)])
    branch = parts.branch if branch_scale == 1 else chain([parts.branch, Scale(branch_scale)])
    return ResidualUnit(branch, shortcut, parts.after, parts.before)


def exclusive_gating(parts: Parts, gate_bias: float = -6.0) -> nn.Module:
    gate = Gate(parts.out_channels, gate_bias)
    return ExclusivelyGatedUnit(parts.branch, parts.widen(), gate, parts.after, parts.before)


def shortcut_only_gating(parts: Parts, gate_bias: float = -6.0) -> nn.Module:
    shortcut = chain([parts.widen(), GatedShortcut(Gate(parts.out_channels, gate_bias))])
    return ResidualUnit(parts.branch, shortcut, parts.after, parts.before)


def conv_shortcut(parts: Parts) -> nn.Module:
    shortcut = projection(parts.in_channels, parts.out_channels, parts.stride, parts.norm_after_weights)
    return ResidualUnit(parts.branch, shortcut, parts.after, parts.before)


def dropout_shortcut(
    parts: Parts, drop_probability: float = 0.5, inverted_dropout: bool = False
) -> nn.Module:
    shortcut = chain([parts.widen(), DropoutShortcut(drop_probability, inverted_dropout)])
    return ResidualUnit(parts.branch, shortcut, parts.after, parts.before)


def scalar_on_branch(parts: Parts) -> nn.Module:
    """x + a F(x), a learned number that begins at 0.

    ReZero (Bachlechner et al. 2020); without norm, SkipInit (De and Smith 2020).
    """
    branch = chain([parts.branch, LearnedScale(1, 0.0)])
    return ResidualUnit(branch, parts.widen(), parts.after, parts.before)


def layer_scale(parts: Parts, initial_scale: float = 1e-5) -> nn.Module:
    """x + diag(a) F(x), a learned number for each channel (Touvron et al. 2021)."""
    branch = chain([parts.branch, LearnedScale(parts.out_channels, initial_scale)])
    return ResidualUnit(branch, parts.widen(), parts.after, parts.before)


def stochastic_depth(parts: Parts, final_survival: float = 0.5) -> nn.Module:
    """Branches drop out in training, the deeper the more often: linear decay (Huang et al. 2016)."""
    survival = StochasticDepth(1 - parts.depth * (1 - final_survival))
    return ResidualUnit(chain([parts.branch, survival]), parts.widen(), parts.after, parts.before)


def unknown_design(name: str) -> UsageError:
    """The error for a design nobody knows; code is not imported because a name says so."""
    if ":" in name:
        return UsageError(f"design {name!r} is code of somebody's; resunit.add_design({name!r}) imports it")
    return unknown("design", name, DESIGNS)


@dataclass(frozen=True)
class Design:
    """Where the activations sit and what makes a unit of the parts: a row of a table, or a later idea."""

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
