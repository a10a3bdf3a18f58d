"""Calls that hide a junction, or change its sum, are named."""

from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import resunit
from resunit.errors import PropagationError
from resunit.propagation import Instrument, measure
from tests.propagation.toy import Toy, detected, kinds
from tests.propagation.written import Written


class FusedAddition(torch.autograd.Function):
    """Returns x + f without a torch function that adds, like a kernel in C++ or Triton."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor, f: Tensor) -> Tensor:  # pyright: ignore
        return torch.from_numpy(x.detach().numpy() + f.detach().numpy())

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:  # pyright: ignore
        return gradient, gradient


def test_a_custom_autograd_function_that_adds_is_named() -> None:
    fused = Toy(lambda m, x: FusedAddition.apply(x, m.map(x)))
    with pytest.raises(PropagationError, match=r"1 .*\(FusedAddition\)"):
        Instrument(fused).detect(torch.randn(2, 8))
    after = detected(nn.Sequential(resunit.ResidualUnit(nn.Linear(8, 8)), fused), torch.randn(2, 8))
    assert "1 custom autograd function (FusedAddition)" in after.unseen[0]
    of_two_branches = Toy(lambda m, x: x + FusedAddition.apply(m.map(x), m.other(x)))
    assert detected(of_two_branches, torch.randn(2, 8)).unseen == ()


class Rectified(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor) -> Tensor:
        ctx.save_for_backward(y)
        return y.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # pyright: ignore
        (y,) = ctx.saved_tensors
        return gradient * (y > 0)


def test_a_custom_autograd_function_after_an_addition_is_named() -> None:
    unit = Toy(lambda m, x: Rectified.apply(x + m.map(x)))
    (sentence,) = detected(
        nn.Sequential(unit, resunit.ResidualUnit(nn.Linear(8, 8))), torch.randn(2, 8)
    ).unseen
    assert sentence.startswith("what Rectified does after 1 addition was not seen")


@torch.jit.script
def scripted(x: Tensor, f: Tensor) -> Tensor:
    return x + f


def test_additions_that_python_does_not_see_are_named() -> None:
    within = Toy(lambda m, x: scripted(x, m.map(x)))
    for call in range(4):  # From the second or third call on, TorchScript fuses operations.
        (sentence,) = detected(within, torch.randn(2, 8)).unseen
        inside = "1 junction inside functions whose additions Python does not see"
        fused = "1 compiled or scripted function could not be looked into"
        assert inside in sentence or (call and fused in sentence)
    mapped = Toy(lambda m, x: torch.vmap(lambda row: row + m.map(row))(x))
    with pytest.raises(PropagationError, match="1 junction"):
        Instrument(mapped).detect(torch.randn(2, 8))


@pytest.mark.full
@pytest.mark.parametrize("compiled_before", [False, True])
def test_a_compiled_function_within_forward_is_looked_into(compiled_before: bool) -> None:
    joined = torch.compile(lambda x, f: torch.relu(x + f), backend="aot_eager")
    model = nn.Sequential(Toy(lambda m, x: joined(x, m.map(x))), resunit.ResidualUnit(nn.Linear(8, 8)))
    if compiled_before:
        model(torch.randn(2, 8)).sum().backward()
    detection = detected(model, torch.randn(2, 8))
    assert [(junction.name, junction.kind, junction.previous_f) for junction in detection.junctions] == [
        ("0", "identity", ()), ("1", "identity", ("relu",)),
    ]  # fmt: skip
    assert detection.unseen == ()


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # aot_function reads this attribute.
def test_functions_that_were_compiled_ahead_are_named() -> None:
    from torch._functorch.aot_autograd import aot_function

    def unchanged(graph: Any, _inputs: Any) -> Any:
        return graph

    joined = aot_function(lambda x, f: torch.relu(x + f), cast(Any, unchanged))
    model = nn.Sequential(Toy(lambda m, x: joined(x, m.map(x))), resunit.ResidualUnit(nn.Linear(8, 8)))
    (sentence,) = detected(model, torch.randn(2, 8)).unseen
    assert sentence.startswith("1 compiled or scripted function could not be looked into")


def test_checkpointed_units_are_seen_and_reentrant_ones_named() -> None:
    from torch.utils.checkpoint import checkpoint

    unit = resunit.ResidualUnit(nn.Linear(8, 8))

    class Checkpointed(nn.Module):
        def __init__(self, reentrant: bool):
            super().__init__()
            self.unit = unit
            self.reentrant = reentrant

        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(self.unit, x.tanh(), use_reentrant=self.reentrant)

    assert kinds(Checkpointed(False), torch.randn(2, 8)) == {"identity": 1}
    with pytest.raises(PropagationError, match=r"1 addition in unit .*use_reentrant=False"):
        Instrument(Checkpointed(True)).detect(torch.randn(2, 8))


def plain(m: Written, x: Tensor) -> Tensor:
    return x + m.layers[0](x).tanh()


def under_no_grad(m: Written, x: Tensor) -> Tensor:
    with torch.no_grad():
        branch = m.layers[0](x)
    return x + branch


@pytest.mark.parametrize(
    "join",
    [
        lambda m, x: x + m.layers[0](x).detach(),
        lambda m, x: x + m.layers[1](m.layers[0](x).detach()),
        under_no_grad,
    ],
)
def test_a_branch_without_gradient_is_named(join: Any) -> None:
    detection = detected(nn.Sequential(*map(Written, (plain, join, plain))), torch.randn(2, 8))
    assert [junction.name for junction in detection.junctions] == ["0", "2"]
    (sentence,) = detection.unseen
    assert sentence.startswith("1 junction could not be measured")
    assert ": 1;" in sentence


def test_a_codebook_that_is_averaged_is_no_hidden_addition() -> None:
    class Quantises(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.codes = nn.Buffer(torch.randn(5, 8))

        def forward(self, x: Tensor) -> Tensor:
            chosen = torch.cdist(x.detach(), self.codes).argmin(-1)
            nearest = self.codes[chosen]
            with torch.no_grad():
                self.codes.mul_(0.9).add_(0.1 * x.mean(0))
            return x + (nearest - x).detach()

    model = nn.Sequential(Written(plain), Quantises(), Written(plain))
    assert detected(model, torch.randn(2, 8)).unseen == ()


def test_junctions_behind_another_output_are_named() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk, self.one, self.two = Written(plain), Written(plain), Written(plain)

        def forward(self, x: Tensor) -> list[Tensor]:
            x = self.trunk(x)
            return [self.one(x), self.two(x)]

    detection = detected(Two(), torch.randn(2, 8))
    assert [junction.name for junction in detection.junctions] == ["trunk", "one"]
    (sentence,) = detection.unseen
    assert ": two;" in sentence
    instrument = Instrument(Two())
    both = instrument.detect(torch.randn(2, 8), loss=lambda y, _: y[0].sum() + y[1].sum())
    assert (len(both.junctions), both.unseen) == (3, ())


def test_gradients_that_begin_behind_the_inputs() -> None:
    class Frozen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.stem = nn.Embedding(10, 8), nn.Linear(8, 8)
            self.body = nn.Sequential(Written(plain), Written(plain))

        def forward(self, indices: Tensor) -> Tensor:
            return self.body(self.stem(self.table(indices).detach()))

    detection = detected(Frozen(), torch.tensor([[1, 2], [3, 4]]))
    assert [junction.name for junction in detection.junctions] == ["body.0", "body.1"]
    (sentence,) = detection.unseen
    assert sentence.startswith("gradients begin in stem,")


def branch(m: Written, x: Tensor) -> Tensor:
    return torch.tanh(m.layers[0](x))


def written_into(m: Written, x: Tensor) -> Tensor:
    both = torch.empty(2, *x.shape)
    both[0], both[1] = x, branch(m, x)
    return both.sum(0)


TWICE = torch.cat([torch.eye(8), torch.eye(8)])
BAGS = torch.tensor([[0, 2], [1, 3]])
SIDE_BY_SIDE: dict[str, Any] = {
    "sum": lambda m, x: torch.stack([x, branch(m, x)]).sum(0),
    "sum of three": lambda m, x: torch.stack([x, branch(m, x), m.layers[1](x)]).sum(0),
    "nansum": lambda m, x: torch.stack([x, branch(m, x)], -1).nansum(-1),
    "mean": lambda m, x: torch.stack([m.layers[0](x), x], 1).mean(1),
    "cumsum": lambda m, x: torch.stack([x, branch(m, x)]).cumsum(0)[-1],
    "cat": lambda m, x: torch.cat([x[None], m.layers[0](x)[None]]).sum(0),
    "cat and view": lambda m, x: torch.cat([x, m.layers[0](x)]).view(2, 2, 8).sum(0),
    "cat of channels": lambda m, x: torch.cat([m.layers[0](x), x], -1).view(2, 2, 8).sum(1),
    "hstack": lambda m, x: torch.hstack([x, branch(m, x)]).unflatten(1, (2, 8)).sum(1),
    "stack of stacks": lambda m, x: torch.stack([torch.stack([x, branch(m, x)]), torch.zeros(2, 2, 8)]).sum((0, 1)),
    "unbind": lambda m, x: sum(torch.stack([x, branch(m, x)]).unbind()),
    "iteration": lambda m, x: sum(torch.stack([x, branch(m, x)])),
    "written into": written_into,
    "average pooling": lambda m, x: functional.avg_pool1d(torch.stack([x, branch(m, x)], -1), 2)[..., 0],
    "average pooling of places too": lambda m, x: functional.avg_pool2d(torch.stack([x, branch(m, x)], 1), 2)[:, 0],
    "adaptive pooling": lambda m, x: functional.adaptive_avg_pool1d(torch.stack([x, branch(m, x)], -1), 1)[..., 0],
    "convolution": lambda m, x: functional.conv1d(torch.stack([x, branch(m, x)], 1), torch.ones(1, 2, 1))[:, 0],
    "learned factors of a convolution": lambda m, x: functional.conv1d(
        torch.stack([x, branch(m, x)], 1), m.weight[:1, :2, None]
    )[:, 0],
    "groups": lambda m, x: functional.conv1d(
        torch.stack([x, branch(m, x)], -1), torch.ones(8, 1, 2), groups=8
    )[..., 0],
    "fold": lambda m, x: functional.fold(torch.stack([x, branch(m, x)], 1), (1, 9), (1, 2))[:, 0, 0, 1:],
    "embedding_bag": lambda m, x: functional.embedding_bag(BAGS, torch.cat([x, branch(m, x)]), mode="sum"),
    "index_add of both": lambda m, x: torch.zeros(2, 8).index_add(
        0, torch.tensor([0, 1, 0, 1]), torch.cat([x, branch(m, x)])
    ),
    "einsum": lambda m, x: torch.einsum("nbc->bc", torch.stack([x, m.layers[0](x)])),
    "einsum by a constant": lambda m, x: torch.einsum(
        "nbc,n->bc", torch.stack([x, branch(m, x)]), torch.tensor([1.0, 0.5])
    ),
    "einsum by learned factors": lambda m, x: torch.einsum("nbc,n->bc", torch.stack([x, branch(m, x)]), m.scale[:2]),
    "tensordot": lambda m, x: torch.tensordot(m.scale[:2], torch.stack([x, m.layers[0](x)]), 1),
    "learned factors": lambda m, x: (m.scale[:2, None, None] * torch.stack([x, m.layers[0](x)])).sum(0),
    "factors of x": lambda m, x: (
        torch.softmax(m.layers[1](x)[:, None, :2], -1) @ torch.stack([x, branch(m, x)], 1)
    )[:, 0],
    "matmul by a constant": lambda m, x: torch.cat([x, branch(m, x)], 1) @ TWICE,
    "linear by a constant": lambda m, x: functional.linear(torch.cat([x, branch(m, x)], 1), TWICE.T, m.scale),
    "matmul from the left": lambda m, x: torch.eye(2).repeat(1, 2) @ torch.cat([x, branch(m, x)]),
    "a weight that keeps x": lambda m, x: torch.cat([x, branch(m, x)], 1) @ torch.cat([torch.eye(8), m.weight]),
    "complex": lambda m, x: torch.view_as_real(torch.complex(x, branch(m, x))).sum(-1),
    "a matrix without zeros": lambda m, x: torch.sparse.mm(
        torch.eye(2).repeat(1, 2).to_sparse(), torch.cat([x, branch(m, x)])
    ),
    "difference": lambda m, x: torch.diff(torch.stack([x, branch(m, x)]), dim=0)[0],
    "trapezoid": lambda m, x: torch.trapezoid(torch.stack([x, branch(m, x)]), dim=0),
}  # fmt: skip


@pytest.mark.parametrize("name", SIDE_BY_SIDE)
def test_branches_that_are_put_side_by_side_and_summed_are_named(name: str) -> None:
    (sentence,) = detected(Written(SIDE_BY_SIDE[name]), torch.randn(2, 8)).unseen
    assert sentence.startswith(
        "1 junction in the model could not be measured, because shortcut and branch are put"
    )


NO_SUMS: dict[str, Any] = {
    "a learned mix of channels": lambda m, x: (
        torch.cat([x, branch(m, x)], 1) @ torch.cat([m.weight, m.layers[1].weight])
    ),
    "a dense layer": lambda m, x: functional.linear(
        torch.relu(torch.cat([x, branch(m, x)], 1)), torch.cat([m.weight, m.layers[1].weight], 1)
    ),
    "maximum": lambda m, x: torch.stack([x, branch(m, x)]).max(0)[0],
    "maximum by index": lambda m, x: x.scatter_reduce(1, torch.arange(8).expand(2, 8), branch(m, x), "amax"),
    "norm": lambda m, x: torch.stack([x, branch(m, x)]).norm(dim=0),
    "product": lambda m, x: torch.stack([x, branch(m, x)]).prod(0),
    "gated units": lambda m, x: torch.mul(*torch.cat([x, branch(m, x)], 1).chunk(2, 1)),
    "taken apart again": lambda m, x: m.layers[1](torch.stack([x, branch(m, x)])[1]),
}


@pytest.mark.parametrize("name", NO_SUMS)
def test_what_else_is_made_of_values_side_by_side_is_no_junction(name: str) -> None:
    detection = detected(Written(NO_SUMS[name]), torch.randn(2, 8))
    assert (detection.junctions, detection.unseen) == ((), ())


BIASES: dict[str, Any] = {
    "linear": lambda m, x: functional.linear(branch(m, x[:1]), m.weight, x[0]),
    "convolution": lambda m, x: functional.conv1d(branch(m, x[:1])[..., None], m.weight[..., None], x[0]),
    "layer norm": lambda m, x: functional.layer_norm(branch(m, x[:1]), (8,), m.scale, x[0]),
    "batch norm": lambda m, x: functional.batch_norm(
        branch(m, x[:1]), torch.zeros(8), torch.ones(8), m.scale, x[0]
    ),
}


@pytest.mark.parametrize("name", BIASES)
def test_a_shortcut_that_is_given_as_a_bias_is_named(name: str) -> None:
    (sentence,) = detected(Written(BIASES[name]), torch.randn(2, 8)).unseen
    assert sentence.startswith("1 junction inside functions whose additions Python does not see")


def test_features_that_are_joined_and_averaged_are_no_hidden_junction() -> None:
    pooled = Written(lambda m, x: torch.cat([x, m.layers[0](x).relu()], 1).mean(0))
    assert detected(pooled, torch.randn(2, 8)).unseen == ()
    whole = Written(lambda m, x: torch.stack([x, m.layers[0](x).relu()], 1).mean(-1))
    assert detected(whole, torch.randn(2, 8)).unseen == ()


def test_reentrant_checkpoints_are_named_in_one_sentence() -> None:
    from torch.utils.checkpoint import checkpoint

    def chunked(m: Written, x: Tensor) -> Tensor:  # Views made without gradients have no node.
        return torch.cat([part + m.layers[0](part) for part in x.chunk(2)])

    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.units = nn.ModuleList(Written(chunked) for _ in range(3))

        def forward(self, x: Tensor) -> Tensor:
            for unit in self.units:
                x = checkpoint(unit, x, use_reentrant=True)
            return x

    (sentence,) = detected(Checkpointed(), torch.randn(4, 8)).unseen
    assert sentence.startswith("6 additions in units.0, units.1, units.2 ran without gradients")


@pytest.mark.parametrize("identifiers", [False, True])
def test_a_checkpoint_around_everything_is_what_hides_it(identifiers: bool) -> None:
    from torch.utils.checkpoint import checkpoint

    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.units = nn.Embedding(10, 8), nn.Sequential(Written(plain), Written(plain))

        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(self.units, self.table(x) if identifiers else x, use_reentrant=True)

    inputs = torch.randint(0, 10, (2, 5)) if identifiers else torch.randn(2, 8)
    named = r"Checkpointed .* 2 .*units\.0, units\.1 .*use_reentrant=False$"
    with pytest.raises(PropagationError, match=named):
        Instrument(Checkpointed()).detect(inputs)


class Stem(nn.Module):
    """Units behind a stem; all of them are junctions, whether the stem has gradients or not."""

    def __init__(self, kind: str, frozen: bool):
        super().__init__()
        self.kind, self.frozen = kind, frozen
        self.table, self.norm = nn.Embedding(10, 8), nn.LayerNorm(8)
        self.units = nn.Sequential(Written(plain), Written(plain))

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "detached":
            x = self.table(x)
            return self.units(x.detach() if self.frozen else x)
        with torch.set_grad_enabled(not self.frozen):
            x = self.table(x) if self.kind == "embedding" else torch.relu(self.norm(x))
        return self.units(x)


@pytest.mark.parametrize("kind", ["norm", "embedding", "detached"])
def test_a_stem_without_gradients_hides_no_junction(kind: str) -> None:
    inputs = torch.randn(2, 8) if kind == "norm" else torch.tensor([[1, 2], [3, 4]])
    measured = []
    for frozen in (False, True):
        torch.manual_seed(0)
        measured.append(measure(Stem(kind, frozen), inputs, also=["jacobian"]))
    whole, behind = measured
    assert behind.junctions == whole.junctions
    (sentence,) = behind.unseen
    assert sentence.startswith("gradients begin in units.0")
    assert behind.direct(0, 1) == whole.direct(0, 1)
    assert whole.unseen == ()


def test_complex_streams_are_named() -> None:
    class Complex(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(8, 8, dtype=torch.complex64))

        def forward(self, x: Tensor) -> Tensor:
            z = torch.complex(x, x)
            return (z + z @ self.weight).abs()

    with pytest.raises(PropagationError, match=r"complex .*view_as_real"):
        Instrument(Complex()).detect(torch.randn(2, 8))


def test_traced_modules_are_read() -> None:
    module = nn.Sequential(resunit.ResidualUnit(nn.Linear(8, 8)), resunit.ResidualUnit(nn.Linear(8, 8)))
    x = torch.randn(2, 8)
    assert kinds(torch.fx.symbolic_trace(module), x) == {"identity": 2}


@pytest.mark.full
def test_exported_modules_are_read() -> None:
    module = nn.Sequential(Written(plain, 1), Written(plain, 1))
    x = torch.randn(2, 8)
    assert kinds(torch.export.export(module, (x,)).module(), x) == {"identity": 2}


class Dirac(nn.Module):
    """Zagoruyko and Komodakis 2017: "DiracNets"; the identity may have a learned factor for each channel."""

    def __init__(self, spelling: str) -> None:
        super().__init__()
        self.spelling = spelling
        self.weight = nn.Parameter(0.1 * torch.randn(8, 8, 3, 3))
        self.alpha, self.beta = (
            nn.Parameter(torch.full((8, 1, 1, 1), 0.5)),
            nn.Parameter(torch.ones(8, 1, 1, 1)),
        )
        self.register_buffer("delta", nn.init.dirac_(torch.empty(8, 8, 3, 3)))

    def forward(self, x: Tensor) -> Tensor:
        delta = self.get_buffer("delta")
        if self.spelling == "identity":
            weight = self.weight + delta
        elif self.spelling == "factors":
            weight = self.alpha * delta + self.beta * nn.functional.normalize(self.weight.flatten(1)).view_as(
                delta
            )
        else:  # no identity: the factors of its rows are zero
            weight = 0 * self.alpha * delta + self.weight
        return torch.relu(nn.functional.conv2d(x, weight, padding=1))


@pytest.mark.parametrize("spelling", ["identity", "factors"])
def test_a_shortcut_inside_a_weight_is_named(spelling: str) -> None:
    images = torch.randn(2, 8, 6, 6)
    with pytest.raises(PropagationError, match=r" 2 .* 0, 1 .*weight"):
        measure(nn.Sequential(Dirac(spelling), Dirac(spelling)), images)
    unit = resunit.ResidualUnit(nn.Conv2d(8, 8, 3, padding=1))
    beside = measure(nn.Sequential(unit, Dirac(spelling)), images)
    assert len(beside.junctions) == 1
    assert [text for text in beside.unseen if text.startswith("1 junction in 1 could not be measured")]


def test_a_sum_of_weights_without_an_identity_is_not_named() -> None:
    class Adapted(nn.Linear):
        """A weight with a low-rank update (Hu et al. 2021: "LoRA")."""

        def __init__(self) -> None:
            super().__init__(8, 8)
            self.down, self.up = nn.Parameter(torch.randn(2, 8)), nn.Parameter(torch.zeros(8, 2))

        def forward(self, input: Tensor) -> Tensor:
            return nn.functional.linear(input, self.weight + self.up @ self.down, self.bias)

    network = nn.Sequential(resunit.ResidualUnit(nn.Conv2d(8, 8, 3, padding=1)), Dirac("none"))
    assert measure(network, torch.randn(2, 8, 6, 6)).unseen == ()
    assert measure(nn.Sequential(resunit.ResidualUnit(Adapted())), torch.randn(4, 8)).unseen == ()


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_recurrences_over_time_hide_no_junction(layer: Any, bidirectional: bool) -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.over_time = layer(8, 8, 2, batch_first=True, bidirectional=bidirectional)
            self.out = nn.Linear(16 if bidirectional else 8, 8)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.out(self.over_time(x)[0])

    detection = detected(Recurrent().double(), torch.randn(2, 4, 8, dtype=torch.float64))
    assert [junction.kind for junction in detection.junctions] == ["identity"]
    assert detection.unseen == ()


def test_gates_over_depth_inside_a_cell_are_named() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.message, self.cell = nn.Linear(8, 8), nn.GRUCell(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(3):
                x = self.cell(torch.tanh(self.message(x)), x)
            return x

    (sentence,) = detected(Gated(), torch.randn(4, 8)).unseen
    assert sentence.startswith("3 junctions inside functions")


AS_ANOTHER = {
    "to": lambda value, x: value.to(x),
    "type_as": lambda value, x: value.type_as(x),
    "expand_as": lambda value, x: value.to(x.dtype).expand_as(x),
    "view_as": lambda value, x: value.to(x.dtype).expand(x.shape).reshape(-1).view_as(x),
}


@pytest.mark.parametrize("name", AS_ANOTHER)
def test_a_value_with_the_precision_or_shape_of_another_one_does_not_come_from_it(name: str) -> None:
    """As the embedding of a time step, which most diffusion models cast to the precision of the images."""

    def join(m: Toy, x: Tensor) -> Tensor:
        embedding = AS_ANOTHER[name](torch.arange(8.0, dtype=torch.float64).sin(), x)
        return x + m.other(torch.relu(m.map(x) + m.map(embedding)))

    detection = detected(Toy(join), torch.randn(4, 8))
    assert [junction.kind for junction in detection.junctions] == ["identity"]
    assert detection.unseen == ()
