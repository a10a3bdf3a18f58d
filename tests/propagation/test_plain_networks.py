"""A network without junctions: the signal and the gradient at its weight layers; right values from plain autograd."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from resunit.errors import PropagationError
from resunit.propagation import Instrument, Propagation, measure
from tests.propagation.networks import torchvision
from tests.propagation.toy import known, scaled_network
from tests.propagation.written import Written
from tests.reports.conftest import OpenPage, Scheme

X = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(6)


def plain(depth: int, activation: Callable[[], nn.Module] = nn.Tanh) -> nn.Sequential:
    torch.manual_seed(0)
    layers = [layer for _ in range(depth - 1) for layer in (nn.Linear(8, 8), activation())]
    return nn.Sequential(*layers, nn.Linear(8, 8))


def weight_of(model: nn.Sequential, layer: int) -> Tensor:
    return model.get_parameter(f"{layer % len(model)}.weight")


def bias_of(model: nn.Sequential, layer: int) -> Tensor:
    return model.get_parameter(f"{layer % len(model)}.bias")


@pytest.mark.parametrize("activation", [nn.Tanh, lambda: nn.ReLU(inplace=True)])
@pytest.mark.parametrize("depth", [1, 2, 7])
def test_the_measures_are_those_of_plain_autograd(depth: int, activation: Callable[[], nn.Module]) -> None:
    model = plain(depth, activation)
    layers = measure(model, X, TARGETS).layers
    own = [layer for layer in model if isinstance(layer, nn.Linear)]
    z, outputs = X, []
    for layer in own:
        outputs.append(layer(z))
        z = activation()(outputs[-1].clone())
    loss = functional.cross_entropy(outputs[-1], TARGETS)
    of_outputs = torch.autograd.grad(loss, outputs, retain_graph=True)
    of_weights = torch.autograd.grad(loss, [layer.weight for layer in own])
    relative = [
        (gradient.norm() / layer.weight.norm()).item()
        for gradient, layer in zip(of_weights, own, strict=True)
    ]
    assert [layer.name for layer in layers] == [str(2 * i) for i in range(depth)]
    for i, layer in enumerate(layers):
        assert (layer.function, layer.shape, layer.passed_by) == ("linear", (6, 8), None)
        assert layer.signal_rms == pytest.approx(outputs[i].square().mean().sqrt().item(), rel=1e-5)
        assert layer.gradient_gain == pytest.approx(
            (of_outputs[i].norm() / of_outputs[-1].norm()).item(), rel=1e-5
        )
        assert layer.weight_gradient_gain == pytest.approx(relative[i] / relative[-1], rel=1e-5)
        assert layer.absent == {}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("targets", [TARGETS, None])
def test_the_answer_says_that_nothing_passes_directly_and_how_much_arrives(
    training: bool, targets: Tensor | None
) -> None:
    result = measure(plain(40, nn.Sigmoid).train(training), X, targets, name="mlp")
    assert (result.junctions, len(result.layers)) == ((), 40)
    assert (result.verdict.kind, result.verdict.direct_gain, result.verdict.stage) == ("blocked", None, None)
    assert "no shortcut, so nothing passes directly" in result.verdict.sentence
    assert "first of 40 weight layers" in result.verdict.sentence
    assert known(result.layers[0].gradient_gain) < 1e-20
    assert any(
        "from 78, the last weight layer, to 0, the first, the gradient shrinks" in s for s in result.evidence
    )
    said = [
        sentence for sentence in result.findings if "mlp has no junction h(x) + F(x): no addition" in sentence
    ]
    assert len(said) == 1
    assert any("x + F(x)" in remedy for remedy in result.remedies)
    assert result.summary == "mlp has no junction and 40 weight layers: 40 linear"


def test_measures_are_absent_with_a_reason_and_never_zero_or_nan() -> None:
    silent = plain(3)
    nn.init.zeros_(weight_of(silent, -1))
    nn.init.zeros_(bias_of(silent, -1))
    result = measure(silent, X)
    assert [layer.gradient_gain for layer in result.layers] == [None] * 3
    assert {layer.absent["gradient_gain"] for layer in result.layers} == {
        "no finite gradient of the loss reaches the last layer"
    }
    assert any("the measures of the gradient are absent" in sentence for sentence in result.evidence)

    result = measure(plain(3), torch.full((6, 8), math.inf))
    assert "infinite or NaN" in result.verdict.sentence
    assert all(layer.signal_rms is None for layer in result.layers)
    for record in json.loads(result.to_json())["layers"]:
        assert all(record[name] is None for name in record["absent"])
        assert set(record["absent"]) == {"signal_rms", "gradient_gain", "weight_gradient_gain"}


def test_a_gradient_that_vanishes_altogether_is_named_where_it_ends() -> None:
    model = plain(4, nn.ReLU)
    nn.init.constant_(bias_of(model, 2), -1e3)  # The second layer's ReLU is never open.
    result = measure(model, X)
    assert [layer.gradient_gain == 0 for layer in result.layers] == [True, True, False, False]
    assert any(
        "no gradient at all reaches 0" in sentence and "reaches is 4" in sentence
        for sentence in result.evidence
    )


def test_layers_are_found_in_whatever_way_they_are_written() -> None:
    torch.manual_seed(0)
    forms: dict[str, Callable[[Written, Tensor], Tensor]] = {
        "linear": lambda m, x: functional.linear(x, m.weight),
        "matmul": lambda m, x: x @ m.weight.T,
        "einsum": lambda m, x: torch.einsum("ni,oi->no", x, m.weight),
        "convolution": lambda m, x: functional.conv1d(x[..., None], m.weight[..., None])[..., 0],
        "sum of products": lambda m, x: (x[:, None] * m.weight).sum(-1),
    }
    expected = None
    for form in forms.values():
        torch.manual_seed(0)
        result = measure(
            nn.Sequential(*(Written(lambda m, x, form=form: form(m, x).tanh()) for _ in range(5))), X
        )
        gains = [known(layer.gradient_gain) for layer in result.layers]
        expected = expected or gains
        assert gains == pytest.approx(expected, rel=1e-5)
        assert [layer.name for layer in result.layers] == ["0", "1", "2", "3", "4"]
        assert result.verdict.kind == "blocked"


def test_a_layer_that_is_called_twice_is_two_layers_with_one_weight() -> None:
    layer = nn.Linear(8, 8)
    one, two = measure(nn.Sequential(layer, nn.Tanh(), layer), X).layers
    assert (one.name, two.name) == ("0#1", "0#2")
    assert one.weight_gradient_gain == two.weight_gradient_gain == 1
    assert one.gradient_gain != two.gradient_gain


@pytest.mark.parametrize(
    ("join", "function"),
    [
        (lambda m, x: m.layers[1](torch.cat([x, m.layers[0](x)], -1).view(-1, 2, 8)).sum(1), "cat"),
        (lambda m, x: m.layers[1](x * torch.sigmoid(m.layers[0](x))), "mul"),
        (lambda m, x: m.layers[1](torch.maximum(x, m.layers[0](x))), "maximum"),
    ],
)
def test_what_passes_layers_in_another_way_is_no_shortcut_and_not_nothing(
    join: Callable[[Written, Tensor], Tensor], function: str
) -> None:
    result = measure(Written(join), X)
    assert result.verdict.kind == "unmeasured"
    assert f"({function})" in result.verdict.sentence
    assert [layer.passed_by for layer in result.layers] == [function, None]
    assert result.remedies == ()


@pytest.mark.parametrize("over_time", [nn.LSTM(8, 8, 2), nn.GRU(8, 8, 2), nn.RNN(8, 8, 2)])
def test_steps_in_time_are_no_layers_and_no_dense_net(over_time: nn.RNNBase) -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.over_time = over_time
            self.head = nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.over_time(x)[0][-1])

    result = measure(Recurrent(), torch.randn(6, 2, 8))
    assert [layer.name for layer in result.layers] == ["over_time", "head"]
    assert result.verdict.kind == "blocked"
    assert not any("dense net" in sentence for sentence in result.findings)
    assert any("from one step in time to the next" in sentence for sentence in result.evidence)


def test_parallel_layers_pass_nothing_directly() -> None:
    model = Written(lambda m, x: torch.cat([m.layers[0](x), m.layers[1](x.relu())], -1))
    assert measure(model, X).verdict.kind == "blocked"


def test_networks_of_torchvision() -> None:
    for name, count, kind in (("vgg11_bn", 11, "blocked"), ("densenet121", 121, "unmeasured")):
        network = torchvision(name, {}, side=32)
        model, inputs = network.build()
        result = measure(model, inputs)
        assert (len(result.layers), result.verdict.kind) == (count, kind)
    assert "in 58 places a value passes weight layers in another way (cat)" in result.verdict.sentence
    assert "concatenates the two in 58 places" in result.absent[0]


def test_a_network_is_measured_again_and_left_as_it_was() -> None:
    model = plain(5)
    weight_of(model, 0).requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    instrument = Instrument(model)
    assert instrument.measure(X).layers == instrument.measure(X).layers
    with torch.no_grad():
        weight_of(model, 4).mul_(2)
    changed = instrument.measure(X)
    assert changed.layers == measure(model, X).layers
    with torch.no_grad():
        weight_of(model, 4).div_(2)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not weight_of(model, 0).requires_grad


def test_what_junctions_alone_have_is_named() -> None:
    result = measure(plain(3), X, also=["lesion", "jacobian"], name="mlp")
    assert "lesion and jacobian: absent, because only junctions have these measures" in result.evidence
    with pytest.raises(PropagationError, match="mlp has no junction, so there is no direct term"):
        result.direct(0, 1)


def test_a_frozen_stem_is_named_and_the_rest_measured() -> None:
    def frozen(m: Written, x: Tensor) -> Tensor:
        with torch.no_grad():
            x = m.layers[0](x).relu()
        return m.layers[2](m.layers[1](x).relu())

    result = measure(Written(frozen, layers=3), X)
    assert [layer.name for layer in result.layers] == ["layers.1", "layers.2"]
    assert any("gradients begin in" in sentence for sentence in result.evidence)


@pytest.mark.parametrize(
    ("join", "reason"),
    [
        (
            lambda m, x: m.layers[1](x + m.layers[0](x).detach()),
            "no junction .* could be measured: .*without gradient",
        ),
        (lambda _, x: x.relu(), "nor has it a weight layer"),
    ],
)
def test_what_cannot_be_measured_is_refused(join: Callable[[Written, Tensor], Tensor], reason: str) -> None:
    with pytest.raises(PropagationError, match=reason):
        measure(Written(join), X)


@pytest.fixture(scope="module")
def deep() -> Propagation:
    return measure(plain(30), X, TARGETS, name="mlp")


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (400, "dark"),
        pytest.param(400, "light", marks=pytest.mark.full),
        pytest.param(1400, "dark", marks=pytest.mark.full),
        pytest.param(1400, "light", marks=pytest.mark.full),
    ],
)
def test_the_page_shows_the_layers(
    deep: Propagation, tmp_path: Path, open_page: OpenPage, width: int, scheme: Scheme
) -> None:
    with open_page(deep.plot(tmp_path / "page.html"), width, scheme) as page:
        page.wait_for_selector(".figure .main-svg")
        assert page.locator(".verdict").inner_text() == deep.verdict.sentence
        assert len(page.locator(".panel").all()) == 3
        assert page.locator("h2").all_inner_texts()[-1] == "Weight layers"
        names = page.locator("table.sortable tbody th")
        assert names.all_inner_texts() == [layer.name for layer in deep.layers]
        assert "Dotted lines" not in page.content()


def test_a_plain_network_stands_beside_one_with_junctions(deep: Propagation, tmp_path: Path) -> None:
    residual = measure(scaled_network(1), X, TARGETS, name="residual")
    text = deep.plot(tmp_path / "both.html", residual).read_text()
    assert "Junctions and weight layers" in text
    assert "the network has no\\u003cbr\\u003ejunction" in text
    for path in (deep.plot(tmp_path / "both.png", residual), residual.plot(tmp_path / "both.svg", deep)):
        assert path.stat().st_size > 10_000
    assert "<img" in deep._repr_html_()
