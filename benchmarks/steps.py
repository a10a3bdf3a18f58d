"""The training step of each contestant, on the same random batch."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD, Optimizer

from benchmarks.peers import PEERS, build_pytorchcv
from benchmarks.timing import least_seconds
from resunit.data import Dataset, Split
from resunit.models.network import NetworkSpec
from resunit.models.summary import parameters
from resunit.ops.cpu.allocator import keep_freed_memory
from resunit.ops.processor import supports_bf16
from resunit.training.distributed import start_distributed
from resunit.training.loop import train_step
from resunit.training.recipes import named_recipe
from resunit.training.setup import TrainingSetup, assemble

# "default": fp32 and NCHW, plain SGD. "best": channels-last, bf16 autocast, the quickest SGD.
# "best+allocator": that with our allocator, which no library's user has: how much of our lead is its doing?
Configuration = Literal["default", "best", "best+allocator"]

CPU = torch.device("cpu")
LEARNING_RATE = 0.01
Prepared = tuple[Callable[[], object], dict[str, Any]]


def prepare_ours(
    spec: NetworkSpec, name: str, batch_size: int, image_size: int, settings: dict[str, Any]
) -> Prepared:
    """The step of `resunit train` on the network `spec`, as recipe `paper` with `settings` makes it."""
    job = our_job(spec, name, batch_size, image_size, settings)
    model = job.distributed.wrap(job.network).train()
    groups = next(job.batches.between(0, 1, job.image_size_at))
    details = {
        "precision": job.recipe.precision,
        "stored": job.recipe.activation_checkpointing,
        "parameters": parameters(job.network),
    }
    return lambda: train_step(job, model, groups, 0), details


def our_job(
    spec: NetworkSpec, name: str, batch_size: int, image_size: int, settings: dict[str, Any]
) -> TrainingSetup:
    recipe = replace(
        named_recipe("paper"),
        model=name,
        data="random",
        batch_size=batch_size,
        ghost_batch_size=None,
        learning_rate=LEARNING_RATE,
        warmup=0,
        normalisation="channel",
        device="cpu",
        **settings,
    )
    images, labels = random_images(spec, batch_size, image_size)
    split = Split(images, labels)
    classes = tuple(str(number) for number in range(spec.num_classes))
    dataset = Dataset("random", classes, split, split, checksum="", source="")
    return assemble(recipe, spec, dataset, start_distributed("cpu"))


def random_images(spec: NetworkSpec, batch_size: int, image_size: int) -> tuple[Tensor, Tensor]:
    """(N, C, H, W) uint8 images and (N,) labels."""
    torch.manual_seed(0)
    images = torch.randint(256, (batch_size, spec.in_channels, image_size, image_size), dtype=torch.uint8)
    return images, torch.randint(spec.num_classes, (batch_size,))


def normalised(images: Tensor) -> Tensor:
    """uint8 images as a peer's user would feed them."""
    return (images / 255 - 0.5) / 0.25


def build_peer(library: str, name: str, spec: NetworkSpec) -> nn.Module:
    """The peer's network that ours is called `name`; pytorchcv's also by its sizes, where it has no name."""
    peer = PEERS[library]
    if name in peer.networks:
        return peer.build(peer.networks[name])
    return build_pytorchcv(spec)


def prepare_peer(
    library: str,
    configuration: Configuration,
    spec: NetworkSpec,
    name: str,
    batch_size: int,
    image_size: int,
) -> Prepared:
    """The training loop's body as users of the library `library` write it."""
    images, labels = random_images(spec, batch_size, image_size)
    images, model = normalised(images), build_peer(library, name, spec).train()
    details: dict[str, Any] = {"precision": "fp32", "parameters": parameters(model)}
    if configuration == "default":
        return step(model, images, labels, sgd(model, None), nullcontext), details
    if configuration == "best+allocator":
        keep_freed_memory(torch.device("cpu"))
    images = images.contiguous(memory_format=torch.channels_last)
    model = model.to(memory_format=torch.channels_last)
    kind = quickest_sgd(model)
    precision = "bf16" if supports_bf16(CPU) else "fp32"
    details |= {"precision": precision, "sgd": kind}
    return step(model, images, labels, sgd(model, kind), autocast(precision)), details


def autocast(precision: str) -> Callable[[], AbstractContextManager[Any]]:
    if precision == "fp32":
        return nullcontext
    return lambda: torch.autocast("cpu", torch.bfloat16)


def step(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    optimizer: Optimizer,
    forward_in: Callable[[], AbstractContextManager[Any]],
) -> Callable[[], None]:
    def work() -> None:
        optimizer.zero_grad()
        with forward_in():
            loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()

    return work


def sgd(model: nn.Module, kind: str | None) -> SGD:
    """SGD as in our recipe `paper`; `kind` is "fused", "foreach" or None for torch's choice."""
    implementation = {} if kind is None else {kind: True}
    return SGD(model.parameters(), LEARNING_RATE, momentum=0.9, weight_decay=1e-4, **implementation)


def quickest_sgd(model: nn.Module) -> str:
    """The quicker of "fused" and "foreach" on zero gradients, which leave `model` as it is but for decay."""

    def seconds(kind: str) -> float:
        optimizer = sgd(model, kind)
        return least_seconds(optimizer.step, 10)

    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    quickest = min(("fused", "foreach"), key=seconds)
    model.zero_grad()
    return quickest
