"""Batch norm folded into the convolution before it, for inference."""

from copy import deepcopy
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from resunit.inference.onednn import has_own_code, join_additions, pack
from resunit.models.network import ResidualNetwork
from resunit.models.residual_unit import NONLINEARITIES
from resunit.ops.batch_norm_act import BatchNorm


def fold(network: ResidualNetwork, dtype: torch.dtype = torch.float32) -> ResidualNetwork:
    """A copy of `network` for evaluation, with every batch norm folded that directly follows a convolution.

    The outputs are those of `network.eval()` but for rounding. In a pre-activation unit that leaves the first
    batch norm of each branch, which reads the sum. Convolutions and linear layers compute in `dtype`: use
    autocast with bf16. On a CPU, the activation after a convolution and the addition that ends a unit are
    part of it. A network with code of somebody's own stays as it is.
    """
    network = deepcopy(network).eval().requires_grad_(False)
    if has_own_code(network):
        return network
    for sequence in [module for module in network.modules() if isinstance(module, nn.Sequential)]:
        for name, following in pairwise(list(sequence._modules)):
            conv, norm = sequence.get_submodule(name), sequence.get_submodule(following)
            # A subclass of the convolution may use its weights otherwise.
            if type(conv) is nn.Conv2d and isinstance(norm, BatchNorm):
                setattr(sequence, name, fuse_conv_bn_eval(conv, norm))
                activation = NONLINEARITIES.get(norm.activation, nn.Identity)
                setattr(sequence, following, activation())
    pack(network, dtype)
    join_additions(network)
    return network
