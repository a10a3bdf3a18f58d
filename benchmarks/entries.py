"""What takes turns in a benchmark: entries, and the networks that they train or run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.convolutions import prepare_convolutions
from benchmarks.peers import Peer
from benchmarks.processes import Prepared
from benchmarks.records import WorkUnit
from benchmarks.steps import TrainingConfiguration, prepare_our_step, prepare_peer_step
from resunit.models.network import NetworkSpec

FAST, SMALL = "fast", "small"  # These are values of the recipes' field `activation_checkpointing`.
# The names of entries stand in records, so they stay what they are.
OURS, FOLDED = "resunit", "resunit folded"
FAST_MODE, SMALL_MODE = f"{OURS} {FAST}", f"{OURS} {SMALL}"
OURS_SPINNING = f"{OURS}, threads spinning"
TORCHVISION = "torchvision"
BARE_STEP, PROGRAM = "bare step", "resunit train"
CONVOLUTIONS = "convolutions alone"
ONNX_RUNTIME, OPENVINO = "ONNX Runtime", "OpenVINO"
CAPTURED, UNCAPTURED, OWN_LOOP = "resunit captured", "resunit uncaptured", "own loop"
COMPILED = "resunit captured, units compiled"


@dataclass(frozen=True, eq=False)  # Entries are dictionary keys, although their arguments have no hash.
class Entry:
    """One piece of work that is measured in a process of its own.

    Args:
        name: what records call it.
        prepare: the function that its process calls first, with `arguments`; it returns the work.
        arguments: values that can be pickled.
        work: the amount of work in one repetition, in units of `unit`.
        unit: what `work` counts.
        units: the number of residual units, where costs are divided by it.
        environment: variables that its process has from the start, and their values.
    """

    name: str
    prepare: Callable[..., Prepared]
    arguments: tuple[Any, ...]
    work: int
    unit: WorkUnit = "images"
    units: int | None = None
    environment: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Workload:
    """A network at a batch size and an image size, with the name that records give the network."""

    name: str
    spec: NetworkSpec
    batch_size: int
    image_size: int

    @property
    def shape(self) -> tuple[int, int]:
        """The batch size and the pixels a side of an image."""
        return self.batch_size, self.image_size

    def our_step(self, name: str = OURS, **fields: Any) -> Entry:
        """Return the training step of resunit; `fields` are fields of its recipe."""
        arguments = (self.spec, self.name, *self.shape, fields)
        return Entry(name, prepare_our_step, arguments, self.batch_size, units=sum(self.spec.depths))

    def peer_step(self, peer: Peer, configuration: TrainingConfiguration) -> Entry:
        """Return the training step of another library on the same network."""
        arguments = (peer.distribution, configuration, self.spec, self.name, *self.shape)
        return Entry(f"{peer.distribution} {configuration}", prepare_peer_step, arguments, self.batch_size)

    def convolutions(self) -> Entry:
        """Return the network's convolutions alone as torch computes them."""
        return Entry(CONVOLUTIONS, prepare_convolutions, (self.spec, *self.shape), self.batch_size)
