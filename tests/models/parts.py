"""Parts of networks by their path and kind, and batch norms that a test can tell from untrained ones."""

from typing import TypeVar

from torch import nn

from resunit.models.network import ResidualNetwork
from resunit.models.residual_unit import ResidualUnit

M = TypeVar("M", bound=nn.Module)


def part(module: nn.Module, path: str, kind: type[M]) -> M:
    """Return the part of `module` at `path`, such as "stages.0.1", which has to be a `kind`."""
    found = module.get_submodule(path)
    assert isinstance(found, kind)
    return found


def conv(module: nn.Module, path: str) -> nn.Conv2d:
    """Return the convolution at `path`."""
    return part(module, path, nn.Conv2d)


def units(network: ResidualNetwork) -> list[ResidualUnit]:
    """Return the units of a network from the first to the last."""
    found = [unit for stage in network.stages.children() for unit in stage.children()]
    residual = [unit for unit in found if isinstance(unit, ResidualUnit)]
    assert len(residual) == len(found)
    return residual


def draw_norms(module: nn.Module) -> None:
    """Give each batch norm random statistics, gammas and betas, which a mistake in their use would show."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_var is not None
            assert norm.running_mean is not None
            for tensor in (norm.weight, norm.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5)
            for tensor in (norm.bias, norm.running_mean):
                nn.init.uniform_(tensor, -0.5, 0.5)
