"""Networks of kinds that people write: counts and numbers against plain autograd."""

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from resunit.propagation import measure
from tests.propagation.by_hand import Unit, check_chain
from tests.propagation.toy import detected, kinds, known

CHANNELS, LENGTH = 8, 5
TOKENS = torch.randn(2, LENGTH, CHANNELS, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
READ_OUT = torch.randn(2, LENGTH, CHANNELS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def mlp(channels: int = CHANNELS) -> nn.Sequential:
    return nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels))


def loss(output: Tensor, _: object = None) -> Tensor:
    return (output * READ_OUT).sum()


class Block(nn.Module):
    """One or more units; `units` are the same as `forward`, one after the other."""

    kind = "identity"

    def units(self) -> Sequence[Unit]:
        raise NotImplementedError


class Scan(Block):
    """A gated scan along the sequence with factors that depend on the input (Gu and Dao 2023: "Mamba")."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.into, self.out = (
            nn.LayerNorm(CHANNELS),
            nn.Linear(CHANNELS, 16),
            nn.Linear(CHANNELS, CHANNELS),
        )
        self.conv = nn.Conv1d(CHANNELS, CHANNELS, 3, padding=2, groups=CHANNELS)
        self.factors = nn.Linear(CHANNELS, 4 + 4 + CHANNELS)
        self.decay = nn.Parameter(torch.randn(CHANNELS, 4))

    def branch(self, x: Tensor) -> Tensor:
        value, gate = self.into(self.norm(x)).chunk(2, -1)
        value = functional.silu(self.conv(value.mT)[..., :LENGTH].mT)
        write, read, step = self.factors(value).split([4, 4, CHANNELS], -1)
        step, outputs = functional.softplus(step), []
        state = torch.zeros(len(x), CHANNELS, 4, dtype=x.dtype)
        for t in range(LENGTH):
            kept = torch.exp(-step[:, t, :, None] * self.decay.exp()) * state
            state = kept + step[:, t, :, None] * write[:, t, None] * value[:, t, :, None]
            outputs.append((state * read[:, t, None]).sum(-1))
        return self.out(torch.stack(outputs, 1) * functional.silu(gate))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)

    def units(self) -> Sequence[Unit]:
        return [Unit(lambda x: x, self.branch)]


class Mixer(Block):
    """Tolstikhin et al. 2021: "MLP-Mixer"."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(CHANNELS) for _ in range(2))
        self.tokens, self.channels = mlp(LENGTH), mlp()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.tokens(self.norms[0](x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norms[1](x))

    def units(self) -> Sequence[Unit]:
        return [
            Unit(lambda x: x, lambda x: self.tokens(self.norms[0](x).mT).mT),
            Unit(lambda x: x, lambda x: self.channels(self.norms[1](x))),
        ]


class SpatialGating(Block):
    """Liu et al. 2021: "Pay Attention to MLPs"."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.into, self.inner = (
            nn.LayerNorm(CHANNELS),
            nn.Linear(CHANNELS, 16),
            nn.LayerNorm(CHANNELS),
        )
        self.along, self.out = nn.Conv1d(LENGTH, LENGTH, 1), nn.Linear(CHANNELS, CHANNELS)

    def branch(self, x: Tensor) -> Tensor:
        value, gate = functional.gelu(self.into(self.norm(x))).chunk(2, -1)
        return self.out(value * self.along(self.inner(gate)))

    def forward(self, x: Tensor) -> Tensor:
        residual = x
        x = self.branch(x)
        x += residual
        return x

    def units(self) -> Sequence[Unit]:
        return [Unit(lambda x: x, self.branch)]


class Parallel(Block):
    """Attention and MLP take one norm, and both are added at once."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.mlp = nn.LayerNorm(CHANNELS), mlp()
        self.attention = nn.MultiheadAttention(CHANNELS, 2, batch_first=True)

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        n = self.norm(x)
        return self.attention(n, n, n)[0], self.mlp(n)

    def forward(self, x: Tensor) -> Tensor:
        attended, mapped = self.parts(x)
        return x + attended + mapped

    def units(self) -> Sequence[Unit]:
        return [Unit(lambda x: x, lambda x: sum(self.parts(x), torch.zeros(())))]


class Scaled(Block):
    """LayerScale, and in training mode a drop path that leaves out branches of samples."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.mlp, self.scale = nn.LayerNorm(CHANNELS), mlp(), nn.Parameter(torch.rand(CHANNELS))
        self.kept = torch.ones(2, 1, 1)

    def branch(self, x: Tensor) -> Tensor:
        return self.scale * self.mlp(self.norm(x)) * self.kept

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.kept = torch.empty(2, 1, 1, dtype=x.dtype).bernoulli_(0.5) / 0.5
        return x + self.branch(x)

    def units(self) -> Sequence[Unit]:
        return [Unit(lambda x: x, self.branch)]


class Loop(Block):
    """A loop of shared weights that takes its input again at each step; `damping` holds a part of the state."""

    steps = 4

    def __init__(self, damping: float) -> None:
        super().__init__()
        self.kind = "identity" if damping == 1 else "scale"
        self.state, self.input, self.damping = (
            nn.Linear(CHANNELS, CHANNELS),
            nn.Linear(CHANNELS, CHANNELS),
            damping,
        )

    def forward(self, x: Tensor) -> Tensor:
        z = x
        for _ in range(self.steps):
            z = self.damping * z + 0.5 * torch.tanh(self.state(z) + self.input(x))
        return z


class HighwayRecurrent(Block):
    """A gate between an LSTM and its input (Zhang et al. 2016: "Highway long short-term memory RNNs")."""

    kind = "gate"

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.gate = nn.LSTM(CHANNELS, CHANNELS, batch_first=True), nn.Linear(CHANNELS, CHANNELS)

    def open(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.gate(x))

    def forward(self, x: Tensor) -> Tensor:
        transform = self.open(x)
        return transform * self.lstm(x)[0] + (1 - transform) * x

    def units(self) -> Sequence[Unit]:
        return [Unit(lambda x: (1 - self.open(x)) * x, lambda x: self.open(x) * self.lstm(x)[0])]


class SkippedScan(Block):
    """D u beside a scan of u, as within Mamba: its steps are a function of u, and it may take u transposed."""

    kind = "scale"

    def __init__(self, transposed: bool) -> None:
        super().__init__()
        self.transposed = transposed
        self.steps, self.skip = nn.Linear(CHANNELS, CHANNELS), nn.Parameter(torch.rand(CHANNELS))

    def scan(self, u: Tensor) -> Tensor:
        return (functional.softplus(self.steps(u)) * u).cumsum(1)

    def forward(self, x: Tensor) -> Tensor:
        if not self.transposed:
            return self.skip * x + self.scan(x)
        steps, u = functional.softplus(self.steps(x)).mT, x.mT
        return ((steps * u).cumsum(2) + self.skip[:, None] * u).mT

    def units(self) -> Sequence[Unit]:
        return [Unit(lambda x: self.skip * x, self.scan)]


CHAINS: dict[str, Callable[[], Block]] = {
    "gated scan": Scan,
    "skipped scan": lambda: SkippedScan(transposed=False),
    "skipped scan, transposed": lambda: SkippedScan(transposed=True),
    "MLP-Mixer": Mixer,
    "gMLP": SpatialGating,
    "parallel": Parallel,
    "LayerScale": Scaled,
    "highway LSTM": HighwayRecurrent,
}


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("training", [True, False])
def test_a_chain_of_blocks(name: str, training: bool) -> None:
    torch.manual_seed(0)
    blocks = [CHAINS[name]() for _ in range(3)]
    model = nn.Sequential(*blocks).double().train(training)
    torch.manual_seed(1)
    junctions = measure(model, TOKENS, loss=loss).junctions
    assert [junction.kind for junction in junctions] == [blocks[0].kind] * len(junctions)
    torch.manual_seed(1)
    model(TOKENS)  # It draws the same paths to drop as the measured pass.
    units = [unit for block in blocks for unit in block.units()]
    check_chain(junctions, units, TOKENS.clone().requires_grad_(), loss)


@pytest.mark.parametrize("damping", [1.0, 0.5])
def test_a_loop_of_shared_weights_is_a_junction_at_each_step(damping: float) -> None:
    """The affine map of x that each step takes once more is no shortcut beside the state, which goes on by itself."""
    torch.manual_seed(0)
    loop = Loop(damping).double()
    junctions = measure(loop, TOKENS, loss=loss).junctions
    assert [junction.kind for junction in junctions] == [loop.kind] * loop.steps
    injected = loop.input(TOKENS).detach().requires_grad_()
    z = [TOKENS.clone().requires_grad_()]
    for _ in range(loop.steps):
        z.append(damping * z[-1] + 0.5 * torch.tanh(loop.state(z[-1]) + injected))
    gradients = torch.autograd.grad(loss(z[-1]), z)
    for number in range(1, loop.steps):  # The first step's x is the input, which all steps take.
        gain = gradients[number].norm() / gradients[-1].norm()
        assert junctions[number].gradient_gain == pytest.approx(gain.item(), rel=1e-6)
    for number, junction in enumerate(junctions):
        assert junction.direct_gain == pytest.approx(damping ** (loop.steps - number), rel=1e-6)


def test_an_injected_value_is_a_shortcut_to_each_step() -> None:
    """In z <- tanh(W z + u) every sum after the first adds u itself to a function of u."""
    torch.manual_seed(0)
    state = nn.Linear(CHANNELS, CHANNELS).double()

    class Equilibrium(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.state = state

        def forward(self, u: Tensor) -> Tensor:
            z = torch.zeros_like(u)
            for _ in range(4):
                z = torch.tanh(self.state(z) + u)
            return z

    junctions = measure(Equilibrium(), TOKENS, loss=loss).junctions
    assert [junction.kind for junction in junctions] == ["identity"] * 3
    u = TOKENS.clone().requires_grad_()
    z, sums = torch.tanh(state(torch.zeros_like(u)) + u), []
    for _ in range(3):
        sums.append(state(z) + u)
        z = torch.tanh(sums[-1])
    at_u, *at_sums = torch.autograd.grad(loss(z), [u, *sums])
    for junction, gradient in zip(junctions, at_sums, strict=True):
        assert junction.gradient_direct == pytest.approx(
            (gradient.norm() / at_sums[-1].norm()).item(), rel=1e-6
        )
        assert junction.gradient_gain == pytest.approx((at_u.norm() / at_sums[-1].norm()).item(), rel=1e-6)


class UNet(nn.Module):
    """Two levels, whose skips are added or concatenated."""

    def __init__(self, adds: bool) -> None:
        super().__init__()
        self.adds = adds
        self.into = nn.Conv2d(3, CHANNELS, 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1) for _ in range(2))
        self.up = nn.ModuleList(
            nn.Conv2d(CHANNELS if adds else (2 - level) * CHANNELS, CHANNELS, 3, padding=1)
            for level in range(2)
        )
        self.out = nn.Conv2d(CHANNELS * (1 if adds else 2), 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = [torch.relu(self.into(x))]
        for conv in self.down:
            skips.append(torch.relu(conv(functional.max_pool2d(skips[-1], 2))))
        y = skips.pop()
        for conv in self.up[::-1]:
            y = functional.interpolate(torch.relu(conv(y)), scale_factor=2.0)
            y = skips.pop() + y if self.adds else torch.cat([skips.pop(), y], 1)
        return self.out(y)


IMAGES = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def test_additive_skips_of_a_u_net() -> None:
    torch.manual_seed(0)
    model = UNet(adds=True).double()
    inner, outer = measure(model, IMAGES).junctions
    assert (inner.kind, outer.kind) == ("identity", "identity")
    first = torch.relu(model.into(IMAGES)).detach().requires_grad_()
    second = torch.relu(model.down[0](functional.max_pool2d(first, 2)))
    third = torch.relu(model.down[1](functional.max_pool2d(second, 2)))
    up = functional.interpolate(torch.relu(model.up[1](third)), scale_factor=2.0)
    at_second = second + up
    rest = functional.interpolate(torch.relu(model.up[0](at_second)), scale_factor=2.0)
    end = first + rest
    gradients = torch.autograd.grad(
        model.out(end).square().mean(), [first, second, at_second, end], retain_graph=True
    )
    (through_up,) = torch.autograd.grad(up, second, gradients[2], retain_graph=True)
    (through_rest,) = torch.autograd.grad(rest, first, gradients[3])
    last = gradients[3].norm()
    right = [
        (gradients[1].norm(), gradients[2].norm(), through_up.norm(), up, second),
        (gradients[0].norm(), last, through_rest.norm(), rest, first),
    ]
    for junction, (gain, direct, of_branch, branch, h) in zip((inner, outer), right, strict=True):
        assert junction.gradient_gain == pytest.approx((gain / last).item(), rel=1e-6)
        assert junction.gradient_direct == pytest.approx((direct / last).item(), rel=1e-6)
        assert junction.gradient_branch == pytest.approx((of_branch / last).item(), rel=1e-6)
        share = branch.norm() / (branch.norm() + h.norm())
        assert junction.branch_share == pytest.approx(share.item(), rel=1e-6)
        assert junction.direct_gain == pytest.approx(1)


class Dense(nn.Module):
    """Huang et al. 2017: "Densely Connected Convolutional Networks"."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3 + 4 * i, 4, 3, padding=1) for i in range(3))
        self.out = nn.Conv2d(3 + 4 * 3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, torch.relu(layer(x))], 1)
        return self.out(x)


@pytest.mark.parametrize(("make", "places"), [(Dense, 3), (lambda: UNet(adds=False), 2)])
def test_concatenated_features_are_no_junctions_and_that_is_said(
    make: Callable[[], nn.Module], places: int
) -> None:
    result = measure(make().double(), IMAGES)
    assert (result.junctions, result.verdict.kind) == ((), "unmeasured")
    assert f"it concatenates the two in {places} place" in result.absent[0]
    assert "(cat)" in result.verdict.sentence


class Coupled(nn.Module):
    """Two streams that take turns (Gomez et al. 2017: "The Reversible Residual Network")."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(mlp(4) for _ in range(2 * depth))

    def forward(self, x: Tensor) -> Tensor:
        one, other = x.chunk(2, -1)
        for branch in self.branches:
            one, other = other, one + branch(other)
        return torch.cat([one, other], -1)


def test_reversible_couplings() -> None:
    torch.manual_seed(0)
    model = Coupled(3).double()
    junctions = measure(model, TOKENS, loss=loss).junctions
    assert len(junctions) == 6
    one, other = TOKENS.clone().requires_grad_().chunk(2, -1)
    sums = []
    for branch in model.branches:
        one, other = other, one + branch(other)
        sums.append(other)
    gradients = torch.autograd.grad(loss(torch.cat([one, other], -1)), sums)
    last = gradients[-1].norm()
    for junction, gradient in zip(junctions[2:], gradients, strict=False):
        assert junction.gradient_gain == pytest.approx((gradient.norm() / last).item(), rel=1e-6)
        assert junction.effective_lambda == 1
    for start in (
        0,
        1,
    ):  # What enters is a part of the input; then each stream passes its sums on as they are.
        assert all(known(junction.direct_gain) == pytest.approx(1) for junction in junctions[start + 2 :: 2])


class HyperConnected(Block):
    """Streams (batch, streams, tokens, channels) that a learned matrix mixes (Zhu et al. 2024)."""

    kind = "projection"

    def __init__(self) -> None:
        super().__init__()
        self.mix, self.write = (
            nn.Parameter(torch.eye(3) + 0.2 * torch.randn(3, 3)),
            nn.Parameter(torch.rand(3)),
        )
        self.read, self.branch = nn.Parameter(torch.rand(3)), nn.Sequential(nn.LayerNorm(CHANNELS), mlp())

    def h(self, x: Tensor) -> Tensor:
        return torch.einsum("mn,bntc->bmtc", self.mix, x)

    def F(self, x: Tensor) -> Tensor:
        return self.write[:, None, None] * self.branch(torch.einsum("n,bntc->btc", self.read, x))[:, None]

    def forward(self, x: Tensor) -> Tensor:
        return self.h(x) + self.F(x)


def test_hyper_connections() -> None:
    torch.manual_seed(0)
    blocks = [HyperConnected() for _ in range(3)]
    model = nn.Sequential(*blocks).double()
    streams = TOKENS[:, None] * torch.tensor([1.0, 0.5, -0.7])[:, None, None]
    junctions = measure(model, streams, loss=lambda output, _: loss(output.sum(1))).junctions
    assert [junction.kind for junction in junctions] == ["projection"] * 3
    check_chain(
        junctions,
        [Unit(block.h, block.F) for block in blocks],
        streams.clone().requires_grad_(),
        lambda end: loss(end.sum(1)),
        with_lambda=False,
    )


class Detector(nn.Module):
    """An encoder, and a decoder whose learned queries attend to each other first, and then to the encoder."""

    def __init__(self, begin: str, layers: int = 2) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(CHANNELS, 2, 16, 0.0, batch_first=True)
        self.encoder, self.begin, self.layers = nn.TransformerEncoder(layer, layers), begin, layers
        self.queries = nn.Parameter(torch.randn(4, CHANNELS))
        self.content = nn.Embedding(4, CHANNELS)
        self.among, self.across = (
            nn.ModuleList(nn.MultiheadAttention(CHANNELS, 2, batch_first=True) for _ in range(layers))
            for _ in range(2)
        )
        self.mlps, self.norms = nn.ModuleList(mlp() for _ in range(layers)), nn.LayerNorm(CHANNELS)
        self.head = nn.Linear(CHANNELS, 3)

    def forward(self, x: Tensor) -> Tensor:
        memory = self.encoder(x)
        positions = self.queries.expand(len(x), -1, -1)
        if self.begin == "zeros":
            target = torch.zeros_like(positions)
        else:
            target = (
                positions if self.begin in ("queries", "both") else self.content.weight.repeat(len(x), 1, 1)
            )
        for among, across, into in zip(self.among, self.across, self.mlps, strict=True):
            keys = target if self.begin == "queries" else target + positions
            target = self.norms(target + among(keys, keys, target)[0])
            keys = target if self.begin == "queries" else target + positions
            target = self.norms(target + across(keys, memory, memory)[0])
            target = self.norms(target + into(target))
        return self.head(target)


@pytest.mark.parametrize("begin", ["zeros", "queries", "content"])
def test_an_encoder_and_a_decoder_with_queries(begin: str) -> None:
    torch.manual_seed(0)
    model = Detector(begin)
    assert kinds(model, TOKENS.float()) == {"identity": 2 * 2 + 2 * 3}
    if begin == "queries":
        model = model.double()
        first = measure(model, TOKENS).junctions[4]
        queries = model.queries.detach().expand(2, -1, -1).clone().requires_grad_()
        attended = model.among[0](queries, queries, queries)[0]
        assert first.branch_share == pytest.approx(
            (attended.norm() / (attended.norm() + queries.norm())).item(), rel=1e-6
        )


def test_queries_that_are_positions_as_well_are_named() -> None:
    """What is added in several places is a table of positions, so the attention among the queries is left out."""
    model = Detector("both")
    detection = detected(model, TOKENS.float())
    assert len(detection.junctions) == 2 * 2 + 2 * 3 - 1
    (sentence,) = detection.unseen
    assert sentence.startswith("1 junction in the model could not be measured, because learned tokens")


class Nested(nn.Module):
    """Tokens within tokens (Han et al. 2021): the inner stream is read by the outer one, and both go on."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.embed_inner, self.embed_outer = nn.Linear(8, 4), nn.Linear(16, CHANNELS)
        self.inner, self.outer = (
            nn.ModuleList(mlp(4) for _ in range(depth)),
            nn.ModuleList(mlp() for _ in range(depth)),
        )
        self.read = nn.ModuleList(nn.Linear(8, CHANNELS) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        inner, outer = self.embed_inner(x.reshape(-1, 2, 8)), self.embed_outer(x)
        for of_inner, read, of_outer in zip(self.inner, self.read, self.outer, strict=True):
            inner = inner + of_inner(inner)
            outer = outer + read(inner.reshape(len(x), -1, 8))
            outer = outer + of_outer(outer)
        return outer.mean(1)


def test_the_sum_of_two_streams_is_no_junction() -> None:
    torch.manual_seed(0)
    detection = detected(Nested(3), torch.randn(2, 3, 16))
    assert [junction.kind for junction in detection.junctions] == ["identity"] * 2 * 3
    assert detection.unseen == ()
