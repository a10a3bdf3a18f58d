"""Tools that replace layers leave a network what torch's own layers would be: no activation is lost."""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from timm.layers.norm_act import freeze_batch_norm_2d
from torch import nn
from torch.ao import quantization
from torch.ao.quantization import quantize_fx
from torch.func import replace_all_batch_norm_modules_
from torch.fx.experimental.optimization import fuse
from torch.nn.utils import parametrizations, parametrize, prune
from torch.nn.utils.fusion import fuse_conv_bn_eval

from tests.models.parts import part
from tests.models.plain_layers import LAYOUTS, NAMES, images, network, with_plain_layers

pytestmark = pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated")
Converter = Callable[[nn.Module], nn.Module]


def replaced(model: nn.Module, kind: type[nn.Module], new: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """Replace each layer of a kind, as people's own converters do."""
    for name, child in model.named_children():
        if isinstance(child, kind):
            setattr(model, name, new(child))
        else:
            replaced(child, kind, new)
    return model


def with_group_norm(model: nn.Module) -> nn.Module:
    return replaced(model, nn.BatchNorm2d, lambda norm: nn.GroupNorm(4, norm.num_features))  # pyright: ignore


def with_another_activation(model: nn.Module) -> nn.Module:
    return replaced(model, nn.ReLU, lambda _: nn.LeakyReLU(0.3))


class Watched(nn.Module):
    """A layer inside of somebody's wrapper."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * self.layer(x)


def with_wrapped_norms(model: nn.Module) -> nn.Module:
    return replaced(model, nn.BatchNorm2d, Watched)


def with_wrapped_activations(model: nn.Module) -> nn.Module:
    return replaced(model, nn.ReLU, Watched)


def with_fused_norms(model: nn.Module) -> nn.Module:
    for sequence in model.modules():
        if isinstance(sequence, nn.Sequential):
            for (name, layer), (following, norm) in pairwise(list(sequence.named_children())):
                if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    sequence.set_submodule(name, fuse_conv_bn_eval(layer, norm))
                    sequence.set_submodule(following, nn.Identity())
    return model


def quantised_linear_layers(model: nn.Module) -> nn.Module:
    return quantization.quantize_dynamic(model, {nn.Linear})


def quantised(model: nn.Module) -> nn.Module:
    mapping = quantization.get_default_qconfig_mapping("onednn")
    prepared = quantize_fx.prepare_fx(model, mapping, (images(),))
    prepared(images())
    return quantize_fx.convert_fx(prepared)


def with_new_weights(model: nn.Module) -> nn.Module:
    """Weights that are computed anew at each call."""
    parametrizations.weight_norm(part(model, "stem.conv1", nn.Conv2d))
    norms = [module for module in model.modules() if type(module) is nn.BatchNorm2d]
    prune.random_unstructured(norms[0], "weight", 0.0)
    parametrize.register_parametrization(norms[1], "weight", nn.Softplus(), unsafe=True)
    return model


CONVERTERS: dict[str, Converter] = {
    "SyncBatchNorm": nn.SyncBatchNorm.convert_sync_batchnorm,
    "freezing": freeze_batch_norm_2d,
    "without running statistics": lambda model: replace_all_batch_norm_modules_(model).train(),
    "GroupNorm": with_group_norm,
    "another activation": with_another_activation,
    "wrapped norms": with_wrapped_norms,
    "wrapped activations": with_wrapped_activations,
    "fuse_conv_bn_eval": with_fused_norms,
    "fuse by fx": lambda model: fuse(model),
    "quantised linear layers": quantised_linear_layers,
    "quantised": quantised,
    "weights computed anew": with_new_weights,
}


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("converter", CONVERTERS)
def test_a_converted_network_is_that_of_torchs_layers(
    converter: str, name: str, layout: torch.memory_format
) -> None:
    model = network(name, layout)
    before, expected = model(images(layout)), CONVERTERS[converter](with_plain_layers(model))
    found = CONVERTERS[converter](model)(images(layout))
    torch.testing.assert_close(found, expected(images(layout)), rtol=1e-4, atol=1e-5)
    keep = ("SyncBatchNorm", "freezing", "fuse_conv_bn_eval", "fuse by fx")
    if converter in keep:  # These change no number.
        torch.testing.assert_close(found, before, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_frozen_network_trains_like_torchs_layers(name: str) -> None:
    model = network(name).train()
    both = [freeze_batch_norm_2d(with_plain_layers(model)), freeze_batch_norm_2d(model)]
    for each in both:
        each(images()).square().sum().backward()
    expected, found = [[p.grad for p in each.parameters()] for each in both]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layers", [["conv1", "norm1"], ["conv1", "norm1", "relu1"]])
def test_torch_ao_fuses_layers_by_name(layers: list[str]) -> None:
    model = network("resnet20")
    expected = model(images())
    fused = quantization.fuse_modules(model, [[f"stem.{layer}" for layer in layers]])
    assert isinstance(fused, nn.Module)
    torch.testing.assert_close(fused(images()), expected, rtol=1e-4, atol=1e-5)
