"""The options that networks and their designs take, each with its type, its range and a line of help.

Nothing here imports torch, so that the command line can offer every option at once. A default stands in the
signature of the design that has the option (models/designs.py), or in the network's entry (models/registry.py).
"""

from typing import Annotated, Any, Literal, TypedDict

from resunit.io.fields import (
    FINITE,
    SHARE,
    SHARE_BELOW_ONE,
    Topic,
    annotations_of,
    check_value,
    docstrings_of,
)

SharedPreactivation = Literal["first-of-stage", "channel-change", "projection"]
StrideOn = Literal["1x1", "3x3"]
ShortcutOption = Literal["A", "B", "C", "D"]

DESIGN, NETWORK = Topic("Options of designs"), Topic("Network")


class DesignOptions(TypedDict, total=False):
    """The options of the paper's designs and of later ones; each applies to the designs that it names."""

    shortcut_scale: Annotated[float, FINITE, DESIGN]
    """The design constant-scaling multiplies its shortcut by this number, lambda in Eq. (6)."""
    branch_scale: Annotated[float, FINITE, DESIGN]
    """The design constant-scaling multiplies its branch by this number (paper Table 1)."""
    gate_bias: Annotated[float, FINITE, DESIGN]
    """The gates of exclusive-gating and shortcut-only-gating start with this bias (paper Table 1)."""
    drop_probability: Annotated[float, SHARE_BELOW_ONE, DESIGN]
    """The design dropout-shortcut sets this share of the shortcut's values to zero (paper Table 1)."""
    inverted_dropout: Annotated[bool, DESIGN]
    """The design dropout-shortcut divides the kept values by the kept share, as torch does and the paper does not."""
    initial_scale: Annotated[float, FINITE, DESIGN]
    """The design layer-scale starts with this scale for each channel of the branch (Touvron et al. 2021)."""
    final_survival: Annotated[float, SHARE, DESIGN]
    """In training, stochastic-depth keeps the last unit's branch with this probability (Huang et al. 2016)."""


class Conventions(TypedDict, total=False):
    """The choices in which published code of the same network differs."""

    shared_preactivation: Annotated[SharedPreactivation, NETWORK]
    """These units of a pre-activation design activate their input once, for both the shortcut and the branch."""
    stride_on: Annotated[StrideOn, NETWORK]
    """This convolution of a bottleneck branch has the stride."""
    shortcut_option: Annotated[ShortcutOption, NETWORK]
    """A unit that changes size subsamples (A), projects (B; C in all units), or pools and projects (D) its shortcut."""


DESIGN_OPTIONS: dict[str, Any] = annotations_of(DesignOptions)
CONVENTIONS: dict[str, Any] = annotations_of(Conventions)
OPTIONS: dict[str, Any] = CONVENTIONS | DESIGN_OPTIONS
DESCRIPTIONS: dict[str, str] = docstrings_of(Conventions) | docstrings_of(DesignOptions)


def check_option(name: str, value: object, own_kind: Any = Any) -> Any:
    """Return `value` as the type of the option `name`: whole numbers become floats where a float is due.

    An option of a design of the user's own, which no table knows, is of the type `own_kind`.

    Raises:
        UsageError: the value is ill-typed, out of its range or no choice.
    """
    return check_value(name, value, OPTIONS.get(name, own_kind))
