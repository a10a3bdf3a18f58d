"""The compiled convolution of 3x3 against the formula, and where torch's own has to compute."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import prune
from torch.overrides import BaseTorchFunctionMode

from resunit.ops.batch_norm_act import LayerSequence
from resunit.ops.cpu.convolution import can_compute

SHAPES = [  # images, channels before and after, height and width
    (8, 16, 16, 8, 8),
    (4, 32, 16, 9, 7),
    (5, 16, 48, 15, 5),
    (40, 16, 32, 3, 2),
    (70, 32, 32, 1, 1),
    (2, 64, 80, 17, 18),
    (1, 16, 16, 40, 3),
]


def formula(x: Tensor, weight: Tensor) -> Tensor:
    """Return y[n, k, i, j] = the sum over c, a, b of x[n, c, i + a - 1, j + b - 1] weight[k, c, a, b]."""
    height, width = x.shape[2:]
    padded = functional.pad(x, (1, 1, 1, 1))
    terms = [
        torch.einsum("nchw,kc->nkhw", padded[:, :, a : a + height, b : b + width], weight[:, :, a, b])
        for a in range(3)
        for b in range(3)
    ]
    return torch.stack(terms).sum(0)


def channels_last(*shape: int) -> Tensor:
    return torch.randn(shape).to(memory_format=torch.channels_last)


def conv3x3(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)


def distance(a: Tensor, b: Tensor) -> float:
    return ((a.double() - b).norm() / b.norm()).item()


def is_ours(y: Tensor) -> bool:
    assert y.grad_fn is not None
    return y.grad_fn.name() == "ConvolutionFunctionBackward"


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients_are_the_formulas(
    shape: tuple[int, int, int, int, int], memory_format: torch.memory_format
) -> None:
    images, inputs, outputs, height, width = shape
    torch.manual_seed(0)
    x, conv = (
        channels_last(images, inputs, height, width),
        conv3x3(inputs, outputs).to(memory_format=memory_format),
    )
    dy = channels_last(images, outputs, height, width)
    exact = [leaf.detach().double().requires_grad_() for leaf in (x, conv.weight)]
    y = LayerSequence(conv)(x.requires_grad_())
    assert is_ours(y)
    assert y.is_contiguous(memory_format=torch.channels_last)
    found = [y, *torch.autograd.grad(y, (x, conv.weight), dy)]
    expected = formula(exact[0], exact[1])
    for ours, exactly in zip(
        found, [expected, *torch.autograd.grad(expected, exact, dy.double())], strict=True
    ):
        assert ours.shape == exactly.shape
        assert distance(ours, exactly) < 1e-6


def test_it_is_as_exact_as_torchs_own() -> None:
    torch.manual_seed(0)
    x, conv, dy = (
        channels_last(64, 16, 32, 32).requires_grad_(),
        conv3x3(16, 16),
        channels_last(64, 16, 32, 32),
    )
    exact = [leaf.detach().double().requires_grad_() for leaf in (x, conv.weight)]
    expected = formula(exact[0], exact[1])
    exactly = [expected, *torch.autograd.grad(expected, exact, dy.double())]
    errors = []
    for y in (LayerSequence(conv)(x), conv(x)):
        found = [y, *torch.autograd.grad(y, (x, conv.weight), dy)]
        errors.append([distance(a, b) for a, b in zip(found, exactly, strict=True)])
    ours, torchs = errors
    assert all(a < 2 * b for a, b in zip(ours, torchs, strict=True))


def test_the_result_does_not_depend_on_the_number_of_threads() -> None:
    torch.manual_seed(0)
    x, conv, dy = channels_last(33, 16, 19, 19), conv3x3(16, 32), channels_last(33, 32, 19, 19)
    results = []
    before = torch.get_num_threads()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        leaf = x.clone().requires_grad_()
        y = LayerSequence(conv)(leaf)
        results.append([y, *torch.autograd.grad(y, (leaf, conv.weight), dy)])
    torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_the_default_type_and_device_of_the_program_change_nothing() -> None:
    torch.manual_seed(0)
    x, conv = channels_last(4, 16, 6, 6).requires_grad_(), conv3x3(16, 16)

    def compute() -> list[Tensor]:
        y = LayerSequence(conv)(x)
        assert is_ours(y)
        return [y, *torch.autograd.grad(y.square().sum(), (x, conv.weight))]

    expected = compute()
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            found = compute()
    finally:
        torch.set_default_dtype(before)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype is torch.float32
        assert torch.equal(one, other)


def test_gradients_have_gradients() -> None:
    torch.manual_seed(0)
    conv, x = conv3x3(16, 16), channels_last(4, 16, 6, 6)

    def penalty(compute: Callable[[Tensor], Tensor], leaf: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(compute(leaf).tanh().sum(), leaf, create_graph=True)
        return torch.autograd.grad(gradient.square().sum(), leaf)[0]

    weight = conv.weight.double()
    ours = penalty(LayerSequence(conv), x.clone().requires_grad_())
    assert distance(ours, penalty(lambda leaf: formula(leaf, weight), x.double().requires_grad_())) < 1e-5


def test_what_needs_no_gradient_gets_none() -> None:
    conv, x = conv3x3(16, 16), channels_last(4, 16, 6, 6).requires_grad_()
    conv.weight.requires_grad_(False)
    LayerSequence(conv)(x).sum().backward()
    assert conv.weight.grad is None
    assert x.grad is not None


CHANGES: dict[str, Callable[[nn.Conv2d], object]] = {
    "a stride": lambda conv: setattr(conv, "stride", (2, 2)),
    "no padding": lambda conv: setattr(conv, "padding", (0, 0)),
    "padding by name": lambda conv: setattr(conv, "padding", "same"),
    "a dilation": lambda conv: (setattr(conv, "dilation", (2, 2)), setattr(conv, "padding", (2, 2))),
    "a bias": lambda conv: setattr(conv, "bias", nn.Parameter(torch.randn(16))),
    "padding by reflection": lambda conv: conv.__init__(
        16, 16, 3, padding=1, bias=False, padding_mode="reflect"
    ),
    "groups": lambda conv: conv.__init__(16, 16, 3, padding=1, bias=False, groups=4),
    "filters of 5x5": lambda conv: conv.__init__(16, 16, 5, padding=2, bias=False),
    "few channels": lambda conv: conv.__init__(16, 3, 3, padding=1, bias=False),
    "evaluation": lambda conv: conv.eval(),
    "a parametrized weight": nn.utils.parametrizations.weight_norm,
    "a pruned weight": lambda conv: prune.l1_unstructured(conv, "weight", 0.5),
}


@pytest.mark.parametrize("change", CHANGES)
def test_torch_computes_all_other_convolutions(change: str) -> None:
    torch.manual_seed(0)
    conv, x = conv3x3(16, 16), channels_last(4, 16, 6, 6)
    assert can_compute(x, conv)
    CHANGES[change](conv)
    y = LayerSequence(conv)(x)
    assert not is_ours(y)
    assert torch.equal(y, conv(x))


def test_torch_computes_what_has_another_layout_or_type() -> None:
    conv, x = conv3x3(16, 16), channels_last(4, 16, 6, 6)
    layers = LayerSequence(conv)
    assert not is_ours(layers(x.contiguous()))
    assert not is_ours(layers(channels_last(1, 16, 2, 2)))  # Too few tiles: the weights would cost more.
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layers(x).dtype is torch.bfloat16
    layers.double()
    assert not is_ours(layers(x.double()))


def test_hooks_fire_and_tools_see_torchs_convolution() -> None:
    conv, x, seen = conv3x3(16, 16), channels_last(4, 16, 6, 6), []
    layers = LayerSequence(conv)
    assert is_ours(layers(x))
    with BaseTorchFunctionMode():
        assert not is_ours(layers(x))
    handle = conv.register_forward_hook(lambda _module, inputs, output: seen.append((inputs[0], output)))
    y = layers(x)
    assert seen[0][0] is x
    assert seen[0][1] is y
    handle.remove()
    assert torch.func.vmap(layers)(torch.stack([x, x])).shape == (2, 4, 16, 6, 6)
