"""Sums of two streams, of two classifiers, and of a branch with its own context are no junctions of their own."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from resunit.propagation import measure
from tests.propagation.toy import detected, kinds
from tests.propagation.written import Written

SEQUENCES = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(1))


def f(m: Written, x: Tensor, layer: int = 0) -> Tensor:
    return m.layers[layer](torch.tanh(m.layers[layer](x)))


def context(m: Written, x: Tensor) -> Tensor:
    """A value for all positions, as in a GCNet block."""
    weights = m.layers[2](x)[..., :1].softmax(1)
    return m.layers[3]((weights.mT @ x).relu())


def test_a_context_within_a_branch_is_a_part_of_it() -> None:
    def join(m: Written, x: Tensor) -> Tensor:
        features = m.layers[0](x).relu()
        return x + m.layers[1](features + context(m, features))

    assert kinds(Written(join, 4), SEQUENCES) == {"identity": 1}


def test_a_context_that_is_added_to_the_stream_is_a_branch() -> None:
    assert kinds(Written(lambda m, x: x + context(m, x), 4), SEQUENCES) == {"identity": 1}


def test_units_that_add_contexts_count_within_a_skip_over_all_of_them() -> None:
    def join(m: Written, x: Tensor) -> Tensor:
        y = m.layers[0](x).relu()
        for _ in range(2):
            y = y + context(m, y)
        return x + m.layers[1](y)

    assert kinds(Written(join, 4), SEQUENCES) == {"identity": 3}


def test_what_is_added_in_full_size_within_a_branch_is_a_unit_within_a_unit() -> None:
    def join(m: Written, x: Tensor) -> Tensor:
        features = m.layers[0](x).relu()
        return x + m.layers[1](features + f(m, features, 2))

    assert kinds(Written(join, 3), SEQUENCES) == {"identity": 2}


def test_the_sum_of_two_streams_of_which_one_is_made_of_the_other() -> None:
    """As in TNT: patches are made of pixels, both go on, and the pixels are added to the patches."""

    def join(m: Written, pixels: Tensor) -> Tensor:
        patches = m.layers[0](pixels)
        pixels = pixels + f(m, pixels, 1)
        patches = torch.cat([patches[:, :1], patches[:, 1:] + m.layers[2](pixels[:, 1:]).relu()], 1)
        return patches + f(m, patches, 3)

    assert kinds(Written(join, 4), SEQUENCES) == {"identity": 2}


def test_the_sum_of_two_classifiers_of_different_tokens() -> None:
    """As in VOLO: the class token's classes, and the largest of the other tokens' classes."""

    def join(m: Written, x: Tensor) -> Tensor:
        x = x + f(m, x)
        return m.layers[1](x[:, 0]) + 0.5 * m.layers[2](x[:, 1:]).max(1)[0]

    assert kinds(Written(join, 3), SEQUENCES) == {"identity": 1}


def test_a_projection_of_every_second_position_is_a_shortcut() -> None:
    def join(m: Written, x: Tensor) -> Tensor:
        return m.layers[1](x[:, ::2]) + f(m, x)[:, ::2]

    assert kinds(Written(join, 2), SEQUENCES) == {"projection": 1}


def test_the_halves_of_a_reversible_unit_are_junctions() -> None:
    def join(m: Written, x: Tensor) -> Tensor:
        a, b = x.chunk(2, -1)
        a = a + m.layers[0](torch.cat([b, b], -1))[..., :4].tanh()
        b = b + m.layers[1](torch.cat([a, a], -1))[..., :4].tanh()
        return torch.cat([a, b], -1)

    assert len(detected(Written(join, 2), SEQUENCES).junctions) == 2


def test_a_stream_that_begins_with_zeros() -> None:
    """The queries of DETR's decoder begin with zeros, and the first attention adds to them."""

    def join(m: Written, x: Tensor) -> Tensor:
        stream = torch.zeros_like(x)
        for number in range(3):
            queries = m.layers[0](stream + m.scale)
            attention = (queries @ x.mT).softmax(-1) @ x
            stream = stream + m.layers[number](attention)
        return stream

    result = measure(Written(join, 3), SEQUENCES)
    assert [junction.kind for junction in result.junctions] == ["identity"] * 3
    assert result.junctions[0].direct_gain == 1
    assert result.junctions[0].branch_share == 1
    assert result.unseen == ()


def test_sums_that_begin_with_zeros_and_masks_are_no_streams() -> None:
    def join(m: Written, x: Tensor) -> Tensor:
        mask, total = torch.zeros(2, 5, 5), torch.zeros_like(x)
        for number in range(3):
            weights = (m.layers[number](x) @ x.mT + mask).softmax(-1)
            total = total + m.layers[number + 3](weights @ x)
        return x + total

    assert kinds(Written(join, 6), SEQUENCES) == {"identity": 1}


def test_a_table_of_positions_is_no_stream() -> None:
    """It is added in every layer, also to what was computed with it before."""

    def join(m: Written, x: Tensor) -> Tensor:
        positions = torch.arange(80.0).view(2, 5, 8).sin()
        for number in range(2):
            x = x + m.layers[number](x + positions).tanh()
        return x

    assert kinds(Written(join, 2), SEQUENCES) == {"identity": 2}


def test_the_gates_and_the_candidate_of_a_gru_over_depth_are_no_junctions() -> None:
    """The state goes through 1 - z; the sums W y + U x are arguments of sigmoid and tanh, which are factors."""

    def join(m: Written, x: Tensor) -> Tensor:
        y = f(m, x)
        z = torch.sigmoid(m.layers[2](y) + m.layers[3](x))
        r = torch.sigmoid(m.layers[4](y) + m.layers[5](x))
        candidate = torch.tanh(m.layers[6](y) + m.layers[7](r * x))
        return (1 - z) * x + z * candidate

    assert kinds(Written(join, 8), SEQUENCES) == {"gate": 1}


def test_a_projection_unit_before_a_sigmoid_at_the_end_is_a_junction() -> None:
    assert kinds(Written(lambda m, x: torch.sigmoid(m.layers[2](x) + f(m, x)), 3), SEQUENCES) == {
        "projection": 1
    }


HARD_GATES: dict[str, Callable[[Tensor], Tensor]] = {
    "clamp": lambda x: torch.clamp(x, 0, 1),
    "relu6": lambda x: functional.relu6(x + 3) / 6,
}


@pytest.mark.parametrize("name", HARD_GATES)
def test_a_hard_sigmoid_is_a_gate(name: str) -> None:
    def gate(m: Written, x: Tensor) -> Tensor:
        return HARD_GATES[name](m.layers[0](x))

    torch.manual_seed(0)
    model = Written(lambda m, x: (1 - gate(m, x)) * x + gate(m, x) * f(m, x, 1))
    (junction,) = measure(model, SEQUENCES).junctions
    x = SEQUENCES.clone().requires_grad_()
    y = model(x)
    (at_y,) = torch.autograd.grad(y.square().mean(), y)
    (direct,) = torch.autograd.grad((1 - gate(model, x)) * x, x, at_y)
    assert junction.kind == "gate"
    assert junction.direct_gain == pytest.approx((direct.norm() / at_y.norm()).item(), rel=1e-5)


def test_a_clamp_with_one_bound_is_no_gate() -> None:
    assert kinds(Written(lambda m, x: m.layers[0](x).clamp(min=0) * x + f(m, x, 1)), SEQUENCES) == {}


@pytest.mark.parametrize("stacked", [False, True])
@pytest.mark.parametrize("one_layer", [False, True])
@pytest.mark.parametrize("layers", [2, 4])
def test_the_skips_of_wavenet_are_no_junctions(layers: int, one_layer: bool, stacked: bool) -> None:
    """The stream ends in the last skip: the residual output of the last layer is not used.

    One layer may make both outputs, as in WaveGlow and DiffWave.
    """

    def join(m: Written, x: Tensor) -> Tensor:
        skips = []
        for number in range(layers):
            inner = torch.tanh(m.layers[3 * number](x))
            skip, residual = m.layers[3 * number + 1](inner), m.layers[3 * number + 2](inner)
            if one_layer:
                skip, residual = functional.linear(inner, m.weight.repeat(2, 1)).chunk(2, -1)
            skips.append(skip)
            x = x + residual
        total = torch.stack(skips).sum(0) if stacked else sum(skips, torch.zeros(()))
        return m.layers[-1](torch.relu(total))

    detection = detected(Written(join, 3 * layers + 1), SEQUENCES)
    assert [junction.kind for junction in detection.junctions] == ["identity"] * (layers - 1)
    assert detection.unseen == ()


# How a condition c modulates a value v, by the layers from a number on.
MODULATIONS: dict[str, Callable[[Written, Tensor, Tensor, int], Tensor]] = {
    "factor and shift": lambda m, v, c, n: m.layers[n](c) * v + m.layers[n + 1](c),
    "shift first": lambda m, v, c, n: m.layers[n + 1](c) + (1 + m.layers[n](c)) * v,
    "addcmul": lambda m, v, c, n: torch.addcmul(m.layers[n + 1](c), v, m.layers[n](c)),
    "scaled": lambda m, v, c, n: 0.5 * (m.layers[n](c) * v) + m.layers[n + 1](c),
}


@pytest.mark.parametrize("name", MODULATIONS)
def test_a_shift_that_comes_with_a_factor_is_no_shortcut(name: str) -> None:
    """As in FiLM, AdaIN, SPADE and the norms of DiT; the stream itself depends on the condition from unit two on."""

    def join(m: Written, x: Tensor) -> Tensor:
        c = m.layers[0](x.mean(1, keepdim=True)).relu()
        x = functional.layer_norm(m.layers[1](x), (8,))
        for number in (2, 5):
            modulated = MODULATIONS[name](m, functional.layer_norm(x, (8,)), c, number)
            x = x + m.layers[number + 2](modulated.relu())
        return x

    assert kinds(Written(join, 8), SEQUENCES) == {"identity": 2}


def test_a_condition_that_the_stream_is_made_of_modulates_it() -> None:
    """As in the generator of BigGAN: latents are the first features, and make the factors and shifts of the norms."""

    def join(m: Written, x: Tensor) -> Tensor:
        c = x.mean(1, keepdim=True)
        x = m.layers[0](c).expand(2, 5, 8)
        for number in (1, 5):
            modulated = functional.layer_norm(x, (8,)) * (1 + m.layers[number](c)) + m.layers[number + 1](c)
            x = m.layers[number + 2](modulated.relu()).tanh() + m.layers[number + 3](x)
        return x

    assert kinds(Written(join, 9), SEQUENCES) == {"projection": 2}


@pytest.mark.parametrize("per_token", [False, True])
def test_all_factors_and_shifts_of_a_unit_may_be_parts_of_one_value(per_token: bool) -> None:
    """As in DiT: the second norm's shift is a part of a value that the first branch takes a part of."""

    def join(m: Written, x: Tensor) -> Tensor:
        c = m.token.expand(2, 5 if per_token else 1, 8) * x.detach().mean()
        parts = torch.cat([m.layers[number](c) for number in range(6)], -1)
        scale, shift, gate, scale2, shift2, gate2 = parts.chunk(6, -1)
        x = x + gate * f(m, functional.layer_norm(x, (8,)) * (1 + scale) + shift, 6)
        return x + gate2 * f(m, functional.layer_norm(x, (8,)) * (1 + scale2) + shift2, 7)

    assert kinds(Written(join, 8), SEQUENCES) == {"identity": 2}


def test_a_projection_beside_a_gated_branch_is_a_shortcut() -> None:
    """Squeeze and excitation: both factors of the branch are functions of x."""

    def join(m: Written, x: Tensor) -> Tensor:
        features = f(m, x)
        return m.layers[2](x) + torch.sigmoid(m.layers[1](features.mean(1, keepdim=True))) * features

    assert kinds(Written(join, 3), SEQUENCES) == {"projection": 1}


def convolve(x: Tensor, kernel: Tensor) -> Tensor:
    """Return the causal convolution of (N, L, C) with a kernel of (L, C), by Fourier transforms."""
    length = 2 * x.shape[1]
    product = torch.fft.rfft(x, length, dim=1) * torch.fft.rfft(kernel, length, dim=0)
    return torch.fft.irfft(product, length, dim=1)[:, : x.shape[1]]


def test_the_skip_of_a_state_space_layer_that_is_a_convolution() -> None:
    """D u beside k * u as in S4D, where the kernel k is a sum of powers of learned complex numbers."""

    def kernel(m: Written) -> Tensor:
        decay = torch.complex(-m.weight.exp(), m.weight.cumsum(0))  # (states, channels)
        decay = decay + 1j * m.scale
        return torch.exp(decay * torch.arange(5.0)[:, None, None]).sum(1).real

    torch.manual_seed(0)
    model = Written(lambda m, x: convolve(x, kernel(m)) + m.scale * x)
    result = measure(model, SEQUENCES)
    (junction,) = result.junctions
    assert (junction.kind, result.unseen) == ("scale", ())
    x = SEQUENCES.clone().requires_grad_()
    y = model(x)
    (at_y,) = torch.autograd.grad(y.square().mean(), y)
    (by_branch,) = torch.autograd.grad(convolve(x, kernel(model)), x, at_y)
    assert junction.direct_gain == pytest.approx(((model.scale * at_y).norm() / at_y.norm()).item(), rel=1e-5)
    assert junction.gradient_branch == pytest.approx((by_branch.norm() / at_y.norm()).item(), rel=1e-5)


def test_a_weight_of_frequencies_is_a_branch() -> None:
    """As in global filter networks and Fourier neural operators: its first weight layer takes complex values."""

    def join(m: Written, x: Tensor) -> Tensor:
        weight = torch.complex(m.weight, m.weight.T.contiguous())
        return x + torch.fft.irfft(torch.fft.rfft(x, dim=1) @ weight, 5, dim=1)

    torch.manual_seed(0)
    model = Written(join)
    (junction,) = measure(model, SEQUENCES).junctions
    x = SEQUENCES.clone().requires_grad_()
    y = model(x)
    (at_y,) = torch.autograd.grad(y.square().mean(), y, retain_graph=True)
    (at_x,) = torch.autograd.grad(y, x, at_y)
    assert junction.gradient_gain == pytest.approx((at_x.norm() / at_y.norm()).item(), rel=1e-5)
    assert junction.gradient_branch == pytest.approx(((at_x - at_y).norm() / at_y.norm()).item(), rel=1e-5)
    assert "is real" in junction.absent["weight_input_rms"]


def test_the_inner_sums_of_res2net_are_junctions() -> None:
    """A part of a value, and a function of another part; each sum goes on to the output and to the next sum."""

    def join(m: Written, x: Tensor) -> Tensor:
        parts = torch.cat([m.layers[0](x), m.layers[1](x)], -1).chunk(4, -1)
        outputs = [parts[0]]
        for number in (1, 2, 3):
            taken = parts[number] if number == 1 else outputs[-1] + parts[number]
            outputs.append(functional.linear(taken, m.matrix).relu())
        return x + functional.linear(torch.cat(outputs, -1), torch.cat([m.weight, m.weight], 1))

    assert kinds(Written(join), SEQUENCES) == {"operations": 2, "identity": 1}
