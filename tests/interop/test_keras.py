"""Weights of Keras, against its forward pass written out: it is not installed here."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from resunit.errors import FileFormatError
from resunit.interop import keras
from resunit.interop.library import Architecture
from tests.interop.keras_network import NEW, OLD, Style, forward, random_state
from tests.interop.parity import assert_close, converted

BASE = keras.KERAS.architectures["ResNet50"]
TINY = replace(
    BASE,
    name="tiny",
    spec=replace(BASE.spec, depths=(1, 2, 1, 1), widths=(16, 24, 32, 40), stem_channels=8),
)


def assert_same_logits(architecture: Architecture, style: Style, rename: Callable[[str], str] = str) -> None:
    torch.manual_seed(0)
    state = random_state(architecture, style, 6)
    images = torch.randn(2, 3, 64, 64)
    ours = converted({rename(name): tensor for name, tensor in state.items()}, "keras", architecture)
    with torch.no_grad():
        expected = forward(state, architecture, style, images)
        assert_close(ours(images.flip(1)), expected)  # ours takes RGB


@pytest.mark.parametrize("style", [NEW, OLD], ids=["new", "old"])
def test_a_small_network(style: Style) -> None:
    assert_same_logits(TINY, style)


def test_names_as_hdf5_files_have_them() -> None:
    assert_same_logits(TINY, NEW, lambda name: f"model_weights/{name.partition('/')[0]}/{name}:0")


@pytest.mark.full
@pytest.mark.parametrize("name", ["ResNet50", "ResNet101", "ResNet152"])
def test_every_architecture(name: str) -> None:
    assert_same_logits(keras.KERAS.architectures[name], NEW)


@pytest.mark.full
def test_the_older_resnet50() -> None:
    assert_same_logits(BASE, OLD)


def test_a_missing_bias_is_named() -> None:
    state = random_state(TINY, NEW, 6)
    del state["conv3_block2_2_conv/bias"]
    with pytest.raises(FileFormatError, match=r"conv3_block2_2_conv\.bias"):
        converted(state, "keras", TINY)
