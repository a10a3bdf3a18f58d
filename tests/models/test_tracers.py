"""Tools that record a network's computation find torch's own layers in it, and what they record computes the same."""

import warnings
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from resunit.models.designs import DESIGNS
from resunit.models.network import build
from resunit.models.registry import network_spec
from tests.models.plain_layers import NAMES, images, network, with_plain_layers

Recorder = Callable[[nn.Module, Tensor], Callable[[Tensor], Tensor]]


def scripted(model: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates TorchScript, and people still use it.
        script = torch.jit.script(model)
    assert isinstance(script, nn.Module)
    return script


def traced(model: nn.Module, x: Tensor) -> Callable[[Tensor], Tensor]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.trace(model, x)  # pyright: ignore[reportReturnType]


RECORDERS: dict[str, Recorder] = {
    "torch.fx.symbolic_trace": lambda model, _: torch.fx.symbolic_trace(model),
    "make_fx": lambda model, x: make_fx(model)(x),
    "torch.jit.trace": traced,
    "torch.jit.script": lambda model, _: scripted(model),
    "torch.export.export": lambda model, x: torch.export.export(model, (x,)).module(),
    "torch.compile": lambda model, _: torch.compile(model, backend="eager", fullgraph=True),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("recorder", RECORDERS)
def test_what_is_recorded_computes_the_same(recorder: str, name: str) -> None:
    torch.compiler.reset()
    model = network(name)
    expected = with_plain_layers(model)(2 * images())
    recorded = RECORDERS[recorder](model, images())
    torch.testing.assert_close(recorded(2 * images()), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.full
@pytest.mark.parametrize("recorder", [recorder for recorder in RECORDERS if recorder != "torch.compile"])
@pytest.mark.parametrize("design", DESIGNS)
def test_every_design_is_recorded(design: str, recorder: str) -> None:
    # With a GELU, torch.jit.script of torch 2.14 is wrong by a hundredth in torch's own layers too.
    model = build(replace(network_spec("resnet20", design=design), depths=(1, 1, 1))).eval()
    expected = with_plain_layers(model)(2 * images())
    recorded = RECORDERS[recorder](model, images())
    torch.testing.assert_close(recorded(2 * images()), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_training_is_recorded_too(name: str) -> None:
    model = network(name).train()
    plain, recorded = with_plain_layers(model), scripted(model)
    torch.testing.assert_close(recorded(images()), plain(images()), rtol=1e-4, atol=1e-5)
    buffers = dict(recorded.named_buffers())
    for key, buffer in plain.named_buffers():
        torch.testing.assert_close(buffers[key], buffer, rtol=1e-4, atol=1e-5)


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
def test_a_compiled_network_has_the_gradients_of_torchs_layers(name: str) -> None:
    torch.compiler.reset()
    model = network(name).train()
    both = [with_plain_layers(model), torch.compile(model, backend="aot_eager", fullgraph=True)]
    for each in both:
        each(images()).square().sum().backward()
    expected, found = [[p.grad for p in each.parameters()] for each in both]
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_fx_sees_the_layers_that_torchs_sequences_would_show(name: str) -> None:
    model = network(name)
    nodes = [
        [(node.op, str(node.target)) for node in torch.fx.symbolic_trace(each).graph.nodes]
        for each in (model, with_plain_layers(model))
    ]
    assert nodes[0] == nodes[1]
    assert get_graph_node_names(model) == get_graph_node_names(with_plain_layers(model))


def test_features_are_extracted_by_the_names_of_layers() -> None:
    model, names = network("preresnet20"), ["stages.1.0.branch.relu1", "stages.2", "final_activation.relu1"]
    plain = with_plain_layers(model)
    found = create_feature_extractor(model, names)(images())
    expected = create_feature_extractor(plain, names)(images())
    assert list(found) == names
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert found["final_activation.relu1"].min() == 0
