"""What cannot be measured is refused with PropagationError, whose message names what to change."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from resunit.errors import PropagationError
from resunit.models.residual_unit import ResidualUnit
from resunit.ops.batch_norm_act import LayerSequence
from resunit.propagation import measure


def model() -> nn.Sequential:
    return nn.Sequential(ResidualUnit(nn.Linear(8, 8)))


X = torch.randn(2, 8)


def refused(message: str, network: Any, inputs: Any = X, targets: Any = None, loss: Any = None) -> None:
    with pytest.raises(PropagationError, match=message) as caught:
        measure(network, inputs, targets, loss)
    assert "\n" not in str(caught.value)


def test_something_that_is_no_network() -> None:
    refused("torch.nn.Module", model)


def test_inputs_of_the_wrong_shape_or_kind() -> None:
    refused(r"inputs .*\(2, 5\) float32", model(), torch.randn(2, 5))
    refused("inputs .*none", model(), ())


def test_numpy_arrays() -> None:
    class AsksForDimensions(nn.Module):  # which an array does not have
        def forward(self, x: Tensor) -> Tensor:
            return x.view(-1, x.dim())

    array, classes = X.numpy(), torch.zeros(2).long().numpy()
    for inputs in (array, [array], {"input": array}):
        refused("inputs .*torch.from_numpy", model(), inputs)
    refused("inputs .*torch.from_numpy", AsksForDimensions(), array)
    for loss in (None, nn.functional.cross_entropy):
        refused("targets .*torch.from_numpy", model(), X, classes, loss)


def test_arrays_that_the_network_and_the_loss_take_are_no_obstacle() -> None:
    class Masks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unit = model()

        def forward(self, x: Tensor, mask: Any) -> Tensor:
            return self.unit(x) * torch.from_numpy(mask)

    mask = torch.ones(2, 8).numpy()
    result = measure(Masks(), (X, mask), mask, lambda y, t: (y - torch.from_numpy(t)).square().mean())
    assert len(result.junctions) == 1


def test_one_value_a_channel() -> None:
    branch = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8))
    network = nn.Sequential(ResidualUnit(branch))
    refused(r"model\.eval\(\)", network, X[:1])
    assert len(measure(network.eval(), X[:1]).junctions) == 1


def test_inputs_whose_tensors_are_not_seen() -> None:
    class Batch:
        images = X

    class Unpacks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unit = model()

        def forward(self, batch: Batch) -> Tensor:
            return self.unit(batch.images)

    refused("inputs", Unpacks(), Batch())


def test_losses_that_are_no_scalars() -> None:
    refused(r"loss .*\(2, 8\).*\.mean\(\)", model(), loss=lambda y, _: y)
    refused("loss .*float", model(), loss=lambda y, _: y.sum().item())
    refused(r"torch\.no_grad", model(), loss=lambda y, _: y.detach().sum())


def test_targets_without_a_default_loss() -> None:
    refused(
        "loss=",
        model(),
        targets=torch.randn(2, 8),
    )
    refused(
        r"targets .*\(3,\).* \(2, 8\)",
        model(),
        targets=torch.zeros(3).long(),
    )


def test_targets_beyond_the_classes() -> None:
    for classes in ([0, 8], [-1, 0]):
        refused(" 8 .*0 .*7", model(), targets=torch.tensor(classes))


def test_a_backward_pass_that_does_not_exist() -> None:
    class Overwrites(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            x = x.tanh()
            x += self.layer(x)
            return x

    refused(r"y = y \+ x", Overwrites())


def test_a_checkpoint_that_computes_something_else_again() -> None:
    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            branch = LayerSequence(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 1))
            self.unit = ResidualUnit(branch)

        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(self.unit, x.tanh(), use_reentrant=False)

    activations = torch.randn(2, 8, 4, 4).to(memory_format=torch.channels_last)
    refused("checkpoint", Checkpointed(), activations)


def test_a_checkpoint_that_computes_other_shapes_again() -> None:
    class Alternates(nn.Module):
        """It computes rows one by one in the forward pass, and together when it computes them again."""

        def __init__(self) -> None:
            super().__init__()
            self.layer, self.unit = nn.Linear(8, 8), model()
            self.is_again = False

        def part(self, x: Tensor) -> Tensor:
            rows = x if self.is_again else x[:1]
            self.is_again = not self.is_again
            return self.layer(rows.tanh()).sum(0) + torch.zeros(2, 8)

        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(self.part, self.unit(x), use_reentrant=False)

    refused("checkpoint", Alternates())


def test_a_reentrant_checkpoint_behind_a_junction() -> None:
    class Reentrant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unit, self.head = model(), nn.Sequential(nn.Linear(8, 8), nn.ReLU())

        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(self.head, self.unit(x), use_reentrant=True)

    refused("use_reentrant=False", Reentrant())


def test_one_measure_as_a_word() -> None:
    with pytest.raises(PropagationError, match=r"also=\['lesion'\]"):
        measure(model(), X, also="lesion")  # pyright: ignore


def test_outputs_without_a_tensor() -> None:
    class Silent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unit = model()

        def forward(self, x: Tensor) -> str:
            return str(self.unit(x))

    refused("str .*loss=", Silent())


def test_other_devices() -> None:
    refused("model .*meta device", model().to("meta"))
    refused(r"inputs\.to\('cpu'\)", model(), X.to("meta"))


def test_targets_on_another_device() -> None:
    refused(
        r"targets\.to\('cpu'\)",
        model(),
        targets=torch.zeros(2, dtype=torch.long, device="meta"),
    )


def test_compiled_and_scripted_networks() -> None:
    refused("_orig_mod", torch.compile(model()))
    part = model()
    part[0].compile()
    refused("'0' .*torch.compile", part)
    refused("TorchScript", torch.jit.trace(model(), X))


def test_inference_mode() -> None:
    network = model()
    with torch.inference_mode():
        refused("inference mode", network)
        inputs, made_there = torch.randn(2, 8), model()
    refused(r"tensor\.clone\(\)", network, inputs)
    refused(r"tensor\.clone\(\)", made_there)


def test_no_grad_around_the_call_is_no_obstacle() -> None:
    with torch.no_grad():
        assert len(measure(model(), X).junctions) == 1


def test_lazy_modules() -> None:
    refused("lazy", nn.Sequential(ResidualUnit(nn.LazyLinear(8))))


def test_an_empty_batch() -> None:
    refused(r"no sample.*\(0, 8\)", model(), X[:0])


def test_a_network_that_waits_for_other_processes() -> None:
    class Waits(nn.parallel.DistributedDataParallel):
        def __init__(self, module: nn.Module) -> None:
            nn.Module.__init__(self)
            self.module = module

    refused(r"DistributedDataParallel.*model\.module", Waits(model()))


def test_weights_that_are_moved_away() -> None:
    moved = model().to("meta")
    vars(moved[0])["_hf_hook"] = object()  # as accelerate marks such modules
    refused("accelerate .*cpu_offload", moved)
