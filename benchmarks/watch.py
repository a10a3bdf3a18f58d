"""Subject "watch": what measuring the propagation costs, during a training and by itself."""

from collections.abc import Sequence

from torch.nn import functional

from benchmarks.entries import Entry, Workload
from benchmarks.processes import Prepared
from benchmarks.program import train_and_read_log
from benchmarks.records import Details, Measurement, Settings
from benchmarks.session import Session, measure_in_turn
from benchmarks.steps import make_images, normalise
from benchmarks.timing import Timed, interleave
from resunit.io.progress import counting
from resunit.models.network import NetworkSpec, build
from resunit.models.registry import network_spec
from resunit.propagation import Instrument

PASS, MEASURE = "forward and backward", "propagation.measure"
UNWATCHED, WATCHED = "training", "training, watched"
STEPS_BETWEEN_MEASUREMENTS = 20
STEPS = 40  # The time of so many steps counts, after as many to warm up.


def measure(
    session: Session, *, model: Sequence[str] = ("preresnet20",), batch_size: int = 64, rounds: int = 3
) -> None:
    """Measure a training with and without `watch_propagation`, and one measurement next to one pass.

    Args:
        session: where measurements and notices go.
        model: names of networks.
        batch_size: images a step.
        rounds: the number of turns of each entry.
    """
    for name in model:
        spec = network_spec(name)
        workload = Workload(name, spec, batch_size, spec.image_size)
        arguments = (spec, *workload.shape)
        single = [
            Entry(PASS, prepare_pass, arguments, batch_size),
            Entry(MEASURE, prepare_measurement, arguments, batch_size),
        ]
        measure_in_turn(session, "watch", workload, single, rounds)
        runs: dict[str, tuple[Timed, int]] = {
            UNWATCHED: (lambda _, name=name: time_training(name, batch_size, "none"), 1),
            WATCHED: (
                lambda _, name=name: time_training(name, batch_size, str(STEPS_BETWEEN_MEASUREMENTS)),
                1,
            ),
        }
        with counting(f"watch: {name}", len(runs) * rounds, session.shown) as advance:
            for entry, seconds in interleave(runs, rounds, advance).items():
                settings = Settings(batch_size, workload.image_size)
                session.measurements.append(
                    Measurement("watch", entry, seconds, STEPS * batch_size, "images", name, settings)
                )


def prepare_pass(spec: NetworkSpec, batch_size: int, image_size: int) -> Prepared:
    """Return a forward and a backward pass through the network, in fp32."""
    images, labels = make_images(spec, batch_size, image_size)
    images, network = normalise(images), build(spec)
    return lambda: functional.cross_entropy(network(images), labels).backward(), Details(precision="fp32")


def prepare_measurement(spec: NetworkSpec, batch_size: int, image_size: int) -> Prepared:
    """Return a measurement of the same network on the same batch."""
    images, labels = make_images(spec, batch_size, image_size)
    images, instrument = normalise(images), Instrument(build(spec))
    return lambda: instrument.measure(images, labels), Details(precision="fp32")


def time_training(name: str, batch_size: int, steps_between_measurements: str) -> float:
    """Return the seconds of `STEPS` steps of `resunit train` by its log, measurements included."""
    steps = ("--steps", str(3 * STEPS), "--evaluate-steps", str(STEPS), "--evaluation-images", "1")
    log = train_and_read_log(name, batch_size, *steps, "--watch-propagation", steps_between_measurements)
    first, second = (line.seconds or 0.0 for line in log[:2])
    return second - first
