"""Networks inside of wrappers, such as the wrappers of torch.compile, data parallelism and averaging."""

from torch import nn

from resunit.models.network import ResidualNetwork

COMPILED = "_orig_mod"
"""Where torch.compile keeps what it compiled; it can wrap any part of a network."""
WRAPPED = "module"
"""Where DataParallel, DistributedDataParallel and torch.optim.swa_utils.AveragedModel keep the network."""


def unwrap(model: nn.Module) -> nn.Module:
    """Return the network that wrappers hold, however many are around each other; else `model` itself."""
    while type(model) is not ResidualNetwork:
        inner = model._modules.get(COMPILED) or model._modules.get(WRAPPED)
        if inner is None:
            break
        model = inner
    return model


def drop_wrappers(name: str) -> str:
    """Return a tensor's name in a network as it is without the wrappers around the network and its parts."""
    parts = [part for part in name.split(".") if part != COMPILED]
    # Only outermost names are those of wrappers, because a part of the user's own network may have this name.
    while parts[:1] == [WRAPPED]:
        del parts[0]
    return ".".join(parts)
