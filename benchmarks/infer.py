"""Inference beside the peers: latency of one image and throughput of many."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from benchmarks.contest import FOLDED, OURS, Entry, Network, Report, contest, installed
from benchmarks.peers import PEERS, named_peers, spec_of_peers
from benchmarks.steps import CPU, Prepared, autocast, build_peer, normalised, random_images
from benchmarks.timing import least_seconds
from resunit.data import Normalisation
from resunit.inference.fuse import fold
from resunit.inference.onednn import packed
from resunit.models.network import NetworkSpec, ResidualNetwork, build
from resunit.ops.cpu.allocator import keep_freed_memory
from resunit.ops.processor import supports_bf16
from resunit.training.evaluation import compute_logits
from resunit.training.precision import PRECISIONS

Configuration = Literal["default", "best"]
TRIAL_BATCH = 16  # images at most on which a peer's ways are compared


def measure(
    report: Report,
    *,
    model: Sequence[str] = ("preresnet20", "preresnet110", "preresnet50"),
    against: str = ",".join(PEERS),
    batch_size: int | None = None,
    rounds: int = 3,
) -> None:
    """The logits of a batch: ours as `resunit evaluate` and as `predict` computes them, peers each way.

    Batches are of 1 and of 128 images, or of `batch_size`.
    """
    peers = installed(named_peers(against), report)
    specs = {name: spec_of_peers(name) for name in model}
    for name, spec in specs.items():
        for images in (1, 128) if batch_size is None else (batch_size,):
            network = Network(name, spec, images, spec.image_size)
            shape = (images, network.image_size)
            entries = [
                Entry(
                    f"{peer.distribution} {configuration}",
                    prepare_peer,
                    (peer.distribution, configuration, spec, name, *shape),
                    images,
                )
                for peer in peers
                if name in peer.networks
                for configuration in get_args(Configuration)
            ]
            ours = Entry(OURS, prepare_ours, (packed, spec, *shape), images)
            without_norms = Entry(FOLDED, prepare_ours, (fold, spec, *shape), images)
            contest(report, "infer", network, [*entries, ours, without_norms], rounds)


def prepare_ours(
    prepared: Callable[[ResidualNetwork, torch.dtype], ResidualNetwork],
    spec: NetworkSpec,
    batch_size: int,
    image_size: int,
) -> Prepared:
    """uint8 images -> logits, as `resunit evaluate` does it (`packed`), or `predict` (`fold`)."""
    keep_freed_memory(CPU)
    images, _ = random_images(spec, batch_size, image_size)
    model = build(spec)
    settled(model, normalised(images))
    precision = "bf16" if supports_bf16(CPU) else "fp32"
    network, normalisation = prepared(model, PRECISIONS[precision]), Normalisation.fit(images, "channel")
    return lambda: compute_logits(network, images, normalisation, precision), {"precision": precision}


def settled(model: nn.Module, images: Tensor) -> nn.Module:
    """`model` in evaluation mode, with running statistics that keep its activations in range."""
    with torch.no_grad():
        model.train()(images[:8].repeat(2, 1, 1, 1))
    return model.eval()


@dataclass(frozen=True)
class Eager:
    """One way to run a peer eagerly."""

    name: str
    precision: Literal["fp32", "autocast", "bf16"]
    layout: torch.memory_format

    def work(self, model: nn.Module, images: Tensor) -> Callable[[], Tensor]:
        """The work on `model`, which this changes."""
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        model = model.to(dtype).to(memory_format=self.layout)
        images = images.to(dtype=dtype).contiguous(memory_format=self.layout)
        context = autocast("bf16" if self.precision == "autocast" else "fp32")

        @torch.inference_mode()
        def work() -> Tensor:
            with context():
                return model(images)

        return work


AS_USED = Eager("fp32, NCHW", "fp32", torch.contiguous_format)
FP32 = (AS_USED, Eager("fp32, channels-last", "fp32", torch.channels_last))
BF16 = (
    Eager("bf16 autocast, channels-last", "autocast", torch.channels_last),
    Eager("bf16 weights, channels-last", "bf16", torch.channels_last),
)


def prepare_peer(
    library: str, configuration: Configuration, spec: NetworkSpec, name: str, batch_size: int, image_size: int
) -> Prepared:
    """A peer's network on images that are normalised already; "best" is the quickest of the eager ways."""
    images = normalised(random_images(spec, batch_size, image_size)[0])
    model = settled(build_peer(library, name, spec), images)
    if configuration == "default":
        return AS_USED.work(model, images), {"way": AS_USED.name}
    ways = (*FP32, *BF16) if supports_bf16(CPU) else FP32
    quickest = min(ways, key=lambda way: least_seconds(way.work(model, images[:TRIAL_BATCH])))
    # From a fresh network: the weights may have been rounded on the way.
    fresh = settled(build_peer(library, name, spec), images)
    return quickest.work(fresh, images), {"way": quickest.name}
