"""The training step of each entry, on the same random batch."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD, Optimizer

from benchmarks.peers import PEERS, build_pytorchcv
from benchmarks.processes import Prepared
from benchmarks.records import Details
from benchmarks.timing import time_least
from resunit.data import Dataset, Split
from resunit.models.network import NetworkSpec
from resunit.models.summary import count_parameters
from resunit.ops.cpu.allocator import keep_freed_memory
from resunit.ops.processor import supports_bf16
from resunit.training.batches import GhostBatch
from resunit.training.distributed import start_distributed
from resunit.training.prepare import assemble
from resunit.training.recipes import named_recipe
from resunit.training.setup import TrainingSetup
from resunit.training.training_step import TrainingStep

TrainingConfiguration = Literal["default", "best", "best+allocator"]
"""How another library trains.

"default" is fp32, NCHW and plain SGD. "best" is channels-last, bf16 autocast where the processor computes in
bf16, and the quicker of two SGDs. "best+allocator" adds the allocator of resunit, which a user of the library
does not have: it shows how much of the difference the allocator makes.
"""

CPU = torch.device("cpu")
LEARNING_RATE = 0.01


def prepare_our_step(
    spec: NetworkSpec, name: str, batch_size: int, image_size: int, fields: dict[str, Any]
) -> Prepared:
    """Return the step of `resunit train` on a network.

    Args:
        spec: the network.
        name: what the recipe calls the network.
        batch_size: images a step.
        image_size: pixels a side.
        fields: fields of the recipe `paper` that are changed.
    """
    keep_freed_memory(CPU)  # The command line does so before it trains.
    setup = set_up_ours(spec, name, batch_size, image_size, fields)
    model = setup.distributed.wrap(setup.network).train()
    ghost_batches = next(setup.batches.between(0, 1, setup.image_size_at))
    details = Details(
        precision=setup.recipe.precision,
        activation_checkpointing=setup.recipe.activation_checkpointing,
        parameters=count_parameters(setup.network),
    )
    step = TrainingStep(setup, model, SameImages(ghost_batches))

    def work() -> None:
        step.train(0)
        step.read()

    return work, details


class SameImages:
    """Gives each step the same ghost batches, so that nothing but the step is measured."""

    def __init__(self, given: list[GhostBatch]):
        self.given = given

    def prepare(self, step: int) -> None:
        pass

    def ghost_batches(self) -> list[GhostBatch]:
        return self.given

    def close(self) -> None:
        pass


def set_up_ours(
    spec: NetworkSpec,
    name: str,
    batch_size: int,
    image_size: int,
    fields: dict[str, Any],
    *,
    device: str = "cpu",
    images: int | None = None,
) -> TrainingSetup:
    """Return what `resunit train` sets up for the recipe `paper` with `fields`, on random images.

    Args:
        spec: the network.
        name: what the recipe calls the network.
        batch_size: images a step.
        image_size: pixels a side.
        fields: fields of the recipe that are changed.
        device: where it trains.
        images: the images of the data set; by default those of one step.
    """
    recipe = replace(
        named_recipe("paper"),
        model=name,
        data="random",
        batch_size=batch_size,
        ghost_batch_size=None,
        learning_rate=LEARNING_RATE,
        warmup=0,
        normalisation="channel",
        device=device,
        **fields,
    )
    split = Split(*make_images(spec, images or batch_size, image_size))
    classes = tuple(str(number) for number in range(spec.num_classes))
    dataset = Dataset("random", classes, split, split, checksum="", source="")
    return assemble(recipe, spec, dataset, start_distributed(device))


def make_images(spec: NetworkSpec, batch_size: int, image_size: int) -> tuple[Tensor, Tensor]:
    """Return uint8 images of shape (N, C, H, W) and labels of shape (N,), the same ones in every process."""
    torch.manual_seed(0)
    images = torch.randint(256, (batch_size, spec.in_channels, image_size, image_size), dtype=torch.uint8)
    return images, torch.randint(spec.num_classes, (batch_size,))


def normalise(images: Tensor) -> Tensor:
    """Return uint8 images as float32 images, as users of other libraries normalise them."""
    return (images / 255 - 0.5) / 0.25


def build_peer(library: str, name: str, spec: NetworkSpec) -> nn.Module:
    """Return a library's network that equals `spec`.

    Args:
        library: the name of the library.
        name: what resunit calls the network. If the library has no network for it, its sizes are taken from
            `spec`, which only pytorchcv can build.
        spec: the network.
    """
    peer = PEERS[library]
    if name in peer.networks:
        return peer.build(peer.networks[name])
    return build_pytorchcv(spec)


def prepare_peer_step(
    library: str,
    configuration: TrainingConfiguration,
    spec: NetworkSpec,
    name: str,
    batch_size: int,
    image_size: int,
) -> Prepared:
    """Return the body of a training loop as users of the library `library` write it."""
    images, labels = make_images(spec, batch_size, image_size)
    images, model = normalise(images), build_peer(library, name, spec).train()
    details = Details(precision="fp32", parameters=count_parameters(model))
    if configuration == "default":
        return make_step(model, images, labels, make_sgd(model, None), nullcontext), details
    if configuration == "best+allocator":
        keep_freed_memory(CPU)
    images = images.contiguous(memory_format=torch.channels_last)
    model = model.to(memory_format=torch.channels_last)
    kind = choose_sgd(model)
    precision = "bf16" if supports_bf16(CPU) else "fp32"
    details = replace(details, precision=precision, sgd=kind)
    return make_step(model, images, labels, make_sgd(model, kind), open_autocast(precision)), details


def open_autocast(precision: str) -> Callable[[], AbstractContextManager[Any]]:
    """Return a function that opens the context of a forward pass in "fp32" or with "bf16" autocast."""
    if precision == "fp32":
        return nullcontext
    return lambda: torch.autocast("cpu", torch.bfloat16)


def make_step(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    optimizer: Optimizer,
    forward_in: Callable[[], AbstractContextManager[Any]],
) -> Callable[[], None]:
    """Return a training step whose forward pass and loss run within the context that `forward_in` opens."""

    def work() -> None:
        optimizer.zero_grad()
        with forward_in():
            loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()

    return work


def make_sgd(model: nn.Module, kind: str | None) -> SGD:
    """Return SGD as the recipe `paper` has it; `kind` is "fused", "foreach" or None for torch's choice."""
    implementation = {} if kind is None else {kind: True}
    return SGD(model.parameters(), LEARNING_RATE, momentum=0.9, weight_decay=1e-4, **implementation)


def choose_sgd(model: nn.Module) -> str:
    """Return the quicker of "fused" and "foreach".

    Both run on gradients of zero, so that only weight decay changes `model`.
    """

    def seconds(kind: str) -> float:
        optimizer = make_sgd(model, kind)
        return time_least(optimizer.step, 10)

    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    quickest = min(("fused", "foreach"), key=seconds)
    model.zero_grad()
    return quickest
