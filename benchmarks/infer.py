"""Subject "infer": the latency of one image and the throughput of many, next to other libraries."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from benchmarks.entries import FOLDED, OURS, Entry, Workload
from benchmarks.peers import PEERS, Peer, build_peer_spec, find_peers
from benchmarks.processes import Prepared
from benchmarks.records import Details
from benchmarks.session import Session, measure_in_turn, select_installed
from benchmarks.steps import CPU, build_peer, make_images, normalise, open_autocast
from benchmarks.timing import time_least
from resunit.data import Normalisation
from resunit.inference.fuse import fold
from resunit.inference.onednn import copy_packed
from resunit.models.network import NetworkSpec, ResidualNetwork, build
from resunit.ops.cpu.allocator import keep_freed_memory
from resunit.ops.processor import supports_bf16
from resunit.training.evaluation import compute_logits
from resunit.training.precision import PRECISIONS

InferenceConfiguration = Literal["default", "best"]
LATENCY_BATCH, THROUGHPUT_BATCH = 1, 128
TRIAL_BATCH = 16  # So many images suffice to find out how a library runs most quickly.


def measure(
    session: Session,
    *,
    model: Sequence[str] = ("preresnet20", "preresnet110", "preresnet50"),
    against: str = ",".join(PEERS),
    batch_size: int | None = None,
    rounds: int = 3,
) -> None:
    """Measure the logits of a batch.

    The entries are resunit as `resunit evaluate` and as `resunit predict` compute logits, and each library in
    each configuration.

    Args:
        session: where measurements and notices go.
        model: names of networks.
        against: names of libraries, with commas between them.
        batch_size: images a batch; None measures batches of 1 and of 128.
        rounds: the number of turns of each entry.
    """
    peers = select_installed(find_peers(against), session)
    specs = {name: build_peer_spec(name) for name in model}
    for name, spec in specs.items():
        for images in (LATENCY_BATCH, THROUGHPUT_BATCH) if batch_size is None else (batch_size,):
            workload = Workload(name, spec, images, spec.image_size)
            theirs = [
                peer_inference(workload, peer, configuration)
                for peer in peers
                if name in peer.networks
                for configuration in get_args(InferenceConfiguration)
            ]
            ours = Entry(OURS, prepare_our_inference, (copy_packed, spec, *workload.shape), images)
            folded = Entry(FOLDED, prepare_our_inference, (fold, spec, *workload.shape), images)
            measure_in_turn(session, "infer", workload, [*theirs, ours, folded], rounds)


def peer_inference(workload: Workload, peer: Peer, configuration: InferenceConfiguration) -> Entry:
    """Return the inference of another library on the same network."""
    arguments = (peer.distribution, configuration, workload.spec, workload.name, *workload.shape)
    return Entry(
        f"{peer.distribution} {configuration}", prepare_peer_inference, arguments, workload.batch_size
    )


def prepare_our_inference(
    prepared: Callable[[ResidualNetwork, torch.dtype], ResidualNetwork],
    spec: NetworkSpec,
    batch_size: int,
    image_size: int,
    precision: Literal["fp32", "bf16"] | None = None,
) -> Prepared:
    """Return the computation of logits from uint8 images by resunit.

    Args:
        prepared: what makes the network ready: `copy_packed` as in `resunit evaluate`, or `fold` as in
            `resunit predict`.
        spec: the network.
        batch_size: images a batch.
        image_size: pixels a side.
        precision: the arithmetic; by default bf16 where the processor has it.
    """
    keep_freed_memory(CPU)
    images, _ = make_images(spec, batch_size, image_size)
    model = build(spec)
    settle(model, normalise(images))
    precision = precision or ("bf16" if supports_bf16(CPU) else "fp32")
    network, normalisation = prepared(model, PRECISIONS[precision]), Normalisation.fit(images, "channel")
    return lambda: compute_logits(network, images, normalisation, precision), Details(precision=precision)


def settle(model: nn.Module, images: Tensor) -> nn.Module:
    """Give batch norms running statistics that keep activations in range; return `model`, ready to evaluate."""
    with torch.no_grad():
        model.train()(images[:8].repeat(2, 1, 1, 1))
    return model.eval()


@dataclass(frozen=True)
class Execution:
    """One way to run a network of another library without compiling it."""

    name: str
    precision: Literal["fp32", "autocast", "bf16"]
    layout: torch.memory_format

    def work(self, model: nn.Module, images: Tensor) -> Callable[[], Tensor]:
        """Return the computation of logits; `model` itself is converted."""
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        model = model.to(dtype).to(memory_format=self.layout)
        images = images.to(dtype=dtype).contiguous(memory_format=self.layout)
        context = open_autocast("bf16" if self.precision == "autocast" else "fp32")

        @torch.inference_mode()
        def work() -> Tensor:
            with context():
                return model(images)

        return work


AS_USED = Execution("fp32, NCHW", "fp32", torch.contiguous_format)
FP32 = (AS_USED, Execution("fp32, channels-last", "fp32", torch.channels_last))
BF16 = (
    Execution("bf16 autocast, channels-last", "autocast", torch.channels_last),
    Execution("bf16 weights, channels-last", "bf16", torch.channels_last),
)


def prepare_peer_inference(
    library: str,
    configuration: InferenceConfiguration,
    spec: NetworkSpec,
    name: str,
    batch_size: int,
    image_size: int,
) -> Prepared:
    """Return the computation of logits by another library, from images that are normalise already.

    The configuration "best" is the quickest execution that the processor computes in hardware.
    """
    images = normalise(make_images(spec, batch_size, image_size)[0])
    model = settle(build_peer(library, name, spec), images)
    if configuration == "default":
        return AS_USED.work(model, images), Details(execution=AS_USED.name)
    executions = (*FP32, *BF16) if supports_bf16(CPU) else FP32
    trial = images[:TRIAL_BATCH]
    quickest = min(executions, key=lambda execution: time_least(execution.work(model, trial)))
    # A fresh network is needed, as the trials have rounded the weights of `model`.
    fresh = settle(build_peer(library, name, spec), images)
    return quickest.work(fresh, images), Details(execution=quickest.name)
