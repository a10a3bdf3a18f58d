"""Subject "gpu": the training of `resunit train` on a GPU, captured and not, next to loops as one writes them."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import count
from typing import Literal

import torch
from torch import nn

from benchmarks.entries import CAPTURED, COMPILED, OWN_LOOP, UNCAPTURED, Entry, Workload
from benchmarks.peers import PEERS, build_peer_spec
from benchmarks.processes import MeasurementError, Prepared
from benchmarks.records import Details
from benchmarks.session import Session, measure_in_turn, select_installed
from benchmarks.steps import build_peer, make_images, make_sgd, make_step, normalise, set_up_ours
from resunit.models.network import NetworkSpec, build
from resunit.models.summary import count_parameters
from resunit.training.training_step import TrainingStep

GPU = "cuda"
STEPS = 50
"""The steps of one repetition, at whose end the host waits for the GPU once."""
IMAGES = 50_000
"""The images of the data set, as many as CIFAR-10 has to train on."""
LoopConfiguration = Literal["default", "best"]
"""How a loop trains: in fp32 with torch's defaults, or channels-last with bf16 autocast and fused SGD."""


def measure(
    session: Session,
    *,
    model: Sequence[str] = ("preresnet20", "preresnet110"),
    batch_size: int = 128,
    rounds: int = 5,
) -> None:
    """Measure training steps on the GPU of this machine, with data and augmentation, next to loops without them.

    Args:
        session: where measurements and notices go.
        model: names of networks.
        batch_size: images a step.
        rounds: the number of turns of each entry.

    Raises:
        MeasurementError: there is no GPU that torch can use.
    """
    if not torch.cuda.is_available():
        raise MeasurementError("there is no GPU here that torch can use, so nothing is measured")
    peers = select_installed([PEERS["pytorchcv"]], session)
    specs = {name: build_peer_spec(name) for name in model}
    for name, spec in specs.items():
        workload = Workload(name, spec, batch_size, spec.image_size)
        work = STEPS * batch_size
        configurations: tuple[LoopConfiguration, ...] = ("default", "best")
        entries = [
            *(
                Entry(label, prepare_our_steps, (spec, name, *workload.shape, captured, compiled, GPU), work)
                for label, captured, compiled in (
                    (CAPTURED, True, False),
                    (COMPILED, True, True),
                    (UNCAPTURED, False, False),
                )
            ),
            *(
                Entry(
                    f"{library} {choice}",
                    prepare_loop,
                    (library, choice, spec, name, *workload.shape, GPU),
                    work,
                )
                for library in (OWN_LOOP, *(peer.distribution for peer in peers))
                for choice in configurations
            ),
        ]
        measure_in_turn(session, "gpu", workload, entries, rounds)


def prepare_our_steps(
    spec: NetworkSpec,
    name: str,
    batch_size: int,
    image_size: int,
    captured: bool,
    compiled: bool,
    device: str,
) -> Prepared:
    """Return the training steps of `resunit train` on random images on the device, augmentation included."""
    if device == GPU:
        torch.backends.cudnn.benchmark = True  # As a run does; the process measures nothing else.
    fields = {"precision": "bf16", "capture": captured, "compile": compiled}
    setup = set_up_ours(spec, name, batch_size, image_size, fields, device=device, images=IMAGES)
    steps = TrainingStep(
        setup, setup.network.train(), setup.batches.feed(0, setup.steps, setup.image_size_at)
    )
    reasons: list[str] = []
    steps.capture_if_possible(reasons.append)
    numbers = count()

    def work() -> None:
        for _ in range(STEPS):
            steps.train(next(numbers))
        steps.read()
        if captured and reasons:
            raise MeasurementError(reasons[0])

    return work, _details(setup.network, "bf16", "channels_last", device)


def prepare_loop(
    library: str,
    configuration: LoopConfiguration,
    spec: NetworkSpec,
    name: str,
    batch_size: int,
    image_size: int,
    device: str,
) -> Prepared:
    """Return the body of a training loop on one batch that lies on the device."""
    images, labels = make_images(spec, batch_size, image_size)
    model = build(spec) if library == OWN_LOOP else build_peer(library, name, spec)
    model, images, labels = model.to(device).train(), normalise(images).to(device), labels.to(device)
    if configuration == "default":
        step = make_step(model, images, labels, make_sgd(model, None), nullcontext)
        return _repeat(step, device), _details(model, "torch's default for fp32", "contiguous", device)
    if device == GPU:
        torch.backends.cudnn.benchmark = True
    images, model = (
        images.contiguous(memory_format=torch.channels_last),
        model.to(memory_format=torch.channels_last),
    )
    step = make_step(
        model, images, labels, make_sgd(model, "fused"), lambda: torch.autocast(device, torch.bfloat16)
    )
    return _repeat(step, device), replace(_details(model, "bf16", "channels_last", device), sgd="fused")


def _repeat(step: Callable[[], None], device: str) -> Callable[[], None]:
    def work() -> None:
        for _ in range(STEPS):
            step()
        if device == GPU:
            torch.cuda.synchronize()

    return work


def _details(model: nn.Module, precision: str, layout: str, device: str) -> Details:
    return Details(
        precision=precision,
        layout=layout,
        parameters=count_parameters(model),
        gpu=torch.cuda.get_device_name() if device == GPU else None,
    )
