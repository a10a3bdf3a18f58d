"""Fields of a spec that other libraries' networks need: wide bottlenecks, deep stems, a doubled activation."""

from dataclasses import replace

import pytest
import torch

from resunit.inference import fold
from resunit.models.network import build
from resunit.models.registry import NETWORKS
from resunit.models.summary import count_spec_parameters
from tests.models.parts import draw_norms


def test_a_wide_bottleneck() -> None:
    wide = replace(NETWORKS["resnet50"], bottleneck_ratio=0.5)
    assert count_spec_parameters(wide) == 68_883_240  # of wide_resnet50_2, as torchvision documents it


def test_a_deep_stem_has_three_convolutions_in_the_place_of_one() -> None:
    plain = NETWORKS["resnet50"]
    convolutions, norms = 9 * (3 * 32 + 32 * 32 + 32 * 64), 2 * (32 + 32)
    added = count_spec_parameters(replace(plain, deep_stem=(32, 32))) - count_spec_parameters(plain)
    assert added == convolutions + norms - 49 * 3 * 64


def test_both_activations_before_the_first_unit() -> None:
    spec = replace(
        NETWORKS["preresnet20"], shared_preactivation="projection", stem_activation="both", depths=(1, 1, 1)
    )
    one, both = (build(replace(spec, stem_activation=choice)) for choice in ("one", "both"))
    added = both.state_dict().keys() - one.state_dict().keys()
    assert {name.rpartition(".")[0] for name in added} == {"stem.norm1"}


@pytest.mark.parametrize("design", ["original", "full-preactivation"])
def test_a_deep_stem_trains_and_folds(design: str) -> None:
    torch.manual_seed(0)
    spec = replace(
        NETWORKS["resnet18"], design=design, deep_stem=(8, 12), stem_channels=16, depths=(1, 1), widths=(16, 24),
        strides=(1, 2), num_classes=3,
    )  # fmt: skip
    network, images = build(spec), torch.randn(2, 3, 64, 64)
    network(images).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    draw_norms(network.eval())
    with torch.no_grad():
        torch.testing.assert_close(fold(network)(images), network(images), rtol=1e-4, atol=1e-4)
