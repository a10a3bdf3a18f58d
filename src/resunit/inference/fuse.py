"""Batch norms folded into the convolutions before them, for inference."""

from copy import deepcopy
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from resunit.inference.onednn import has_foreign_code, join_additions, pack, runnable_dtype
from resunit.models.network import ResidualNetwork


def fold(network: ResidualNetwork, dtype: torch.dtype | None = None) -> ResidualNetwork:
    """Return a copy of `network` for evaluation, with every batch norm folded that directly follows a convolution.

    The outputs are those of `network.eval()` except for rounding. In a pre-activation unit the first batch norm of
    each branch remains, because it reads the sum. On a CPU the activation after a convolution and the addition
    that ends a unit become part of the convolution.

    Args:
        network: the network; it is left as it is. A network with a class that is neither ours nor torch's is
            only copied.
        dtype: the type that convolutions and linear layers compute in; float32 if None. With torch.bfloat16
            call the copy under autocast. Where the processor has no bf16 convolutions, float32 is used and
            one warning says so.
    """
    network = deepcopy(network).eval().requires_grad_(False)
    if has_foreign_code(network):
        return network
    for sequence in [module for module in network.modules() if isinstance(module, nn.Sequential)]:
        for name, following in pairwise(list(sequence._modules)):
            conv, norm = sequence.get_submodule(name), sequence.get_submodule(following)
            # A subclass of the convolution or of the norm may use its weights in another way.
            if type(conv) is nn.Conv2d and type(norm) is nn.BatchNorm2d:
                setattr(sequence, name, fuse_conv_bn_eval(conv, norm))
                setattr(sequence, following, nn.Identity())
        remove_identities(sequence)
    pack(network, runnable_dtype(network, dtype or torch.float32))
    join_additions(network)
    return network


def remove_identities(sequence: nn.Sequential) -> None:
    """Remove layers that do nothing: a call costs a hundredth of a unit's time for one image."""
    for name, module in list(sequence._modules.items()):
        if type(module) is nn.Identity:
            del sequence._modules[name]
