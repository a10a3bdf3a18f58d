"""Write docs/scaling.md, a plan for 8, 64 and 512 GPUs on paper: python -m tools.scaling_plan

Everything is computed from the parameters and the arithmetic of the networks and from the constants below. Nothing
is measured, and the page says so beside every figure.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import fmean

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from resunit.io.atomic import write_atomically
from resunit.models.network import build
from resunit.models.registry import network_spec
from resunit.models.summary import count_spec_parameters, count_training_flops

PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"
NETWORKS = ("resnet50", "preresnet152", "preresnet200")
GPU_COUNTS = (8, 64, 512)
GPUS_A_NODE = 8
IMAGES_A_GPU = 32
IMAGENET_IMAGES = 1_281_167
EPOCHS = 90
NUMBER_BYTES = 4
STORED_NUMBERS_A_PARAMETER = 2  # A checkpoint holds the weight and its momentum.

USED_FLOPS_A_SECOND = 79e12
NVLINK_BYTES_A_SECOND = 450e9
NETWORK_BYTES_A_SECOND = 50e9
HOP_SECONDS = 5e-6
BUCKET_BYTES = 25 * 2**20
BACKWARD_SHARE = 2 / 3

DISK_BYTES_A_SECOND = 1e9
PASSES_OVER_A_CHECKPOINT = 2  # It is written, and read back.
RESTART_SECONDS = 120.0
GPU_HOURS_BETWEEN_FAILURES = (50_000, 5_000, 500)
SECONDS_AN_HOUR = 3600
SIMULATED_FAILURES = 20_000
PERCENT = 100


@dataclass(frozen=True)
class Network:
    """The costs of training one network."""

    name: str
    parameters: int
    flops: int
    """To train on one image."""
    norms: int
    channels: int
    """Of all norms together."""

    @property
    def gradient_bytes(self) -> int:
        return self.parameters * NUMBER_BYTES

    @property
    def checkpoint_seconds(self) -> float:
        size = self.gradient_bytes * STORED_NUMBERS_A_PARAMETER
        return size * PASSES_OVER_A_CHECKPOINT / DISK_BYTES_A_SECOND

    @property
    def compute_seconds(self) -> float:
        return IMAGES_A_GPU * self.flops / USED_FLOPS_A_SECOND


@dataclass(frozen=True)
class Step:
    """One step of a network on a number of GPUs."""

    network: Network
    gpus: int

    @property
    def nodes(self) -> int:
        return self.gpus // GPUS_A_NODE

    @property
    def bytes_in_node(self) -> float:
        """The bytes that a GPU sends over NVLink: its node sums up the gradients in parts, and shares the sums."""
        return 2 * (GPUS_A_NODE - 1) / GPUS_A_NODE * self.network.gradient_bytes

    @property
    def bytes_between_nodes(self) -> float:
        """The bytes that a GPU sends over its network adapter: a ring over the nodes sums up its eighth."""
        return 2 * (self.nodes - 1) / self.nodes * self.network.gradient_bytes / GPUS_A_NODE

    @property
    def exchange_seconds(self) -> float:
        hops = 2 * (GPUS_A_NODE - 1) + 2 * (self.nodes - 1)
        buckets = math.ceil(self.network.gradient_bytes / BUCKET_BYTES)
        return (
            self.bytes_in_node / NVLINK_BYTES_A_SECOND
            + self.bytes_between_nodes / NETWORK_BYTES_A_SECOND
            + buckets * hops * HOP_SECONDS
        )

    @property
    def efficiencies(self) -> tuple[float, float]:
        """The shares of the time that compute: exchanges after the backward pass, and exchanges during it."""
        compute, exchange = self.network.compute_seconds, self.exchange_seconds
        # The last bucket is complete only when the backward pass is.
        buckets = math.ceil(self.network.gradient_bytes / BUCKET_BYTES)
        exposed = max(exchange / buckets, exchange - BACKWARD_SHARE * compute)
        return compute / (compute + exchange), compute / (compute + exposed)


def counted(name: str) -> Network:
    """Return the costs of a network, counted from its modules."""
    spec = network_spec(name)
    with torch.device("meta"):
        norms = [module for module in build(spec).modules() if isinstance(module, _BatchNorm)]
    return Network(
        name,
        count_spec_parameters(spec),
        count_training_flops(spec, spec.image_size),
        len(norms),
        sum(norm.num_features for norm in norms),
    )


def best_interval(checkpoint: float, between_failures: float) -> float:
    """Return the seconds between checkpoints by Young's formula, to which Daly's tends for rare failures."""
    return math.sqrt(2 * checkpoint * between_failures)


def simulate_overhead(interval: float, checkpoint: float, between_failures: float) -> float:
    """Return the time that checkpoints, lost work and restarts take, as a share of the useful time.

    Failures come at random with a constant rate, also in the middle of a checkpoint or of a restart.
    """
    random = Random(0)
    useful = wasted = 0.0
    for _ in range(SIMULATED_FAILURES):
        until_failure = random.expovariate(1 / between_failures)
        running = max(0.0, until_failure - RESTART_SECONDS)
        kept = running // (interval + checkpoint) * interval
        useful += kept
        wasted += until_failure - kept
    return wasted / useful if useful else math.inf


def estimate_overhead(interval: float, checkpoint: float, between_failures: float) -> float:
    """Return the same share to first order, by the formula that the best interval minimises."""
    return checkpoint / interval + (interval / 2 + RESTART_SECONDS) / between_failures


def percent(share: float) -> str:
    """Return a share as a percentage; from a whole on it says little how much it is."""
    return f"{PERCENT * share:.2f} %" if share < 1 else "over 100 %"


def duration(seconds: float) -> str:
    """Return seconds in the greatest unit that fits."""
    if seconds < 2 * 60:
        return f"{seconds:.3g} s"
    return (
        f"{seconds / 60:.0f} min" if seconds < 2 * SECONDS_AN_HOUR else f"{seconds / SECONDS_AN_HOUR:.1f} h"
    )


def communication(networks: list[Network]) -> Iterator[str]:
    """Yield the table of what a step sends."""
    yield "| network | parameters | GPUs | sent by a GPU in its node | sent by a GPU between nodes | time of it |"
    yield "|---|---|---|---|---|---|"
    for step in (Step(network, gpus) for network in networks for gpus in GPU_COUNTS):
        yield (
            f"| {step.network.name} | {step.network.parameters:,} | {step.gpus} | {step.bytes_in_node / 1e6:.0f} MB "
            f"| {step.bytes_between_nodes / 1e6:.0f} MB | {1e3 * step.exchange_seconds:.2f} ms |"
        )


def efficiency(networks: list[Network]) -> Iterator[str]:
    """Yield the table of expected efficiencies."""
    yield (
        "| network | GPUs | batch | computation of a step | efficiency, exchange after the backward pass "
        "| efficiency, exchange during it | 90 epochs of ImageNet |"
    )
    yield "|---|---|---|---|---|---|---|"
    for step in (Step(network, gpus) for network in networks for gpus in GPU_COUNTS):
        after, during = step.efficiencies
        batch = step.gpus * IMAGES_A_GPU
        run = EPOCHS * (IMAGENET_IMAGES // batch) * step.network.compute_seconds / during
        yield (
            f"| {step.network.name} | {step.gpus} | {batch:,} | {1e3 * step.network.compute_seconds:.1f} ms "
            f"| {PERCENT * after:.0f} % | {PERCENT * during:.0f} % | {duration(run)} |"
        )


def statistics(networks: list[Network]) -> Iterator[str]:
    """Yield the table of what synchronised batch norm adds."""
    yield "| network | batch norms | exchanges a step | sent by a GPU | time of the hops, 8 / 64 / 512 GPUs |"
    yield "|---|---|---|---|---|"
    for network in networks:
        sent = 2 * 2 * network.channels * NUMBER_BYTES
        times = [
            f"{1e3 * 2 * network.norms * HOP_SECONDS * 2 * (GPUS_A_NODE - 1 + gpus // GPUS_A_NODE - 1):.0f}"
            for gpus in GPU_COUNTS
        ]
        yield (
            f"| {network.name} | {network.norms} | {2 * network.norms} | {sent / 1e6:.2f} MB "
            f"| {' / '.join(times)} ms |"
        )


def checkpoints(network: Network) -> Iterator[str]:
    """Yield the table of checkpoint intervals and of the time that they cost."""
    cost = network.checkpoint_seconds
    yield (
        "| GPU hours between failures | GPUs | time between failures | recommended interval | overhead, formula "
        "| overhead, simulated | simulated, a quarter of the interval | simulated, four times the interval "
        "| simulated, 10 minutes |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for hours in GPU_HOURS_BETWEEN_FAILURES:
        for gpus in GPU_COUNTS:
            between = hours * SECONDS_AN_HOUR / gpus
            best = best_interval(cost, between)
            simulated = [
                percent(simulate_overhead(interval, cost, between))
                for interval in (best, best / 4, 4 * best, 600.0)
            ]
            formula = percent(estimate_overhead(best, cost, between))
            yield (
                f"| {hours:,} | {gpus} | {duration(between)} | {duration(best)} | {formula} "
                f"| {' | '.join(simulated)} |"
            )


def page() -> str:
    """Return the page."""
    networks = [counted(name) for name in NETWORKS]
    largest = networks[-1]
    ratio = fmean(Step(network, 512).efficiencies[1] for network in networks)
    lines = [
        "# Many GPUs, on paper",
        "",
        "After this page you know what to expect of 8, 64 and 512 GPUs, and how often to write checkpoints on them.",
        "",
        "**Every figure on this page is computed, and none is measured.**",
        "`python -m tools.scaling_plan` writes the page from the parameters and the arithmetic of the networks and "
        "from the constants below.",
        "What was tested is that 1, 2 and 4 processes of one machine compute the same: [clusters](clusters.md).",
        "",
        "## Constants",
        "",
        "| constant | value | source | how the source was checked |",
        "|---|---|---|---|",
        "| NVLink of an H100, in each direction | 450 GB/s | half of the 900 GB/s that are stated for both directions "
        "| read in descriptions by others; NVIDIA's data sheet was not opened |",
        "| network adapter of each GPU, in each direction | 50 GB/s | eight adapters of up to 400 Gb/s in a DGX H100, "
        "[NVIDIA's reference architecture](https://docs.nvidia.com/dgx-basepod/"
        "reference-architecture-infrastructure-foundation-enterprise-ai/latest/core-components.html) | opened |",
        f"| arithmetic of a GPU in training | {USED_FLOPS_A_SECOND / 1e12:.0f} TFLOP/s | assumed; about 3,200 images a "
        "second for ResNet-50 | not measured |",
        "| a hop of an exchange | 5 µs | assumed | not measured |",
        "| bucket of gradients | 25 MiB | the default of torch's DistributedDataParallel | read in torch 2.14.1 |",
        f"| images of a GPU | {IMAGES_A_GPU} | the paper's 256 on 8 GPUs | the setting that resunit repeats |",
        "| writing and reading checkpoints | 1 GB/s each | assumed | not measured |",
        "| a restart | 120 s | assumed | not measured |",
        "| GPU hours between failures | 50,000 | 419 unexpected interruptions of 16,384 GPUs in 54 days "
        "([Llama 3](https://arxiv.org/abs/2407.21783)); the lower rows are assumed | read in [a report]("
        "https://direct.datacenterdynamics.com/en/news/meta-report-details-hundreds-of-gpu-and-hbm3-related-"
        "interruptions-to-llama-3-training-run) on the paper; the paper was not opened |",
        "",
        "## What a step sends (computed)",
        "",
        "Each step adds up one float32 gradient for each parameter over all GPUs.",
        "The eight GPUs of a node add up an eighth each over NVLink, rings over the nodes add up the eighths, and the "
        "node shares the sums; a ring of n sends 2 (n - 1) / n of the data: (n - 1) / n "
        "to add up and as much to share the sums.",
        "No exchange sends less ([Patarasuk and Yuan 2009](https://doi.org/10.1016/j.jpdc.2008.09.002), of which the "
        "abstract was read).",
        "",
        *communication(networks),
        "",
        "Between nodes the volume hardly grows with their number; what grows is the number of hops.",
        "",
        "## Expected efficiency (computed)",
        "",
        "Efficiency is the share of the time in which the GPUs compute, where every GPU has 32 images, so that the "
        "batch grows with the GPUs.",
        "torch exchanges gradients during the backward pass, which takes two thirds of the computation; only the last "
        "bucket, or what does not fit, is waited for.",
        "Reading the images, evaluation and checkpoints are not counted.",
        "",
        *efficiency(networks),
        "",
        f"At 512 GPUs the mean of the three is {PERCENT * ratio:.0f} %.",
        "A batch of 16,384 images needs another learning rate and a warm-up; nothing here says that it reaches the "
        "same error.",
        "",
        "## Statistics over all GPUs (computed)",
        "",
        "Without a ghost batch size, batch norm exchanges its statistics forward and backward.",
        "The volume is small, but each exchange is waited for.",
        "",
        *statistics(networks),
        "",
        "So on many GPUs give a ghost batch size that divides the share of each, as the recipe `imagenet` does with "
        "32: then nothing but the gradients is exchanged, once a step, and the running statistics.",
        "",
        "## How often to write a checkpoint (computed and simulated)",
        "",
        "With C seconds for a checkpoint and M seconds between failures, an interval of T seconds costs about "
        "C / T + T / (2 M) of the time, which is least at T = √(2 C M).",
        "The formula is known as Young's (1974); it is derived here, and the simulation checks it.",
        f"A checkpoint of {largest.name} holds {largest.gradient_bytes * STORED_NUMBERS_A_PARAMETER / 1e6:.0f} MB, the "
        f"weights and their momentum, and takes {largest.checkpoint_seconds:.2f} s to write and to read back.",
        f"Each simulated figure is of {SIMULATED_FAILURES:,} failures at a constant rate; overhead is the time for "
        "checkpoints, lost work and restarts, as a percentage of the useful time.",
        "",
        *checkpoints(largest),
        "",
        "A run writes a checkpoint at least every 10 minutes, which costs little more than the best interval until "
        "failures are many a day.",
        "`--checkpoint-every` takes the interval in steps where it has to be shorter.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    write_atomically(PAGE, page().encode())
