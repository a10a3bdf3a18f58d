"""Modules of which some parts do not train."""

from typing import Self

from torch import nn


class PartlyFrozen(nn.Module):
    """A module whose frozen parts compute as in evaluation, whatever mode the module is in."""

    frozen: tuple[str, ...] = ()
    """The paths of the parts that do not train."""

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode, as torch does; parts that are frozen stay in evaluation mode."""
        super().train(mode)
        for path in self.frozen:
            self.get_submodule(path).eval()
        return self
