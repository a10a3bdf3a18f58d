"""How long runs take on this machine, from a few steps of each network in a process like that of a run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Barrier
from typing import Any

from resunit.data import noise_like
from resunit.errors import RunError
from resunit.models.custom import add_design
from resunit.models.design_source import is_own_design
from resunit.models.registry import network_spec
from resunit.reproduction.running.one_run import prepare_process
from resunit.reproduction.running.runner import CONTEXT, share_of_memory, start_forkserver
from resunit.training.data_of_run import load_dataset
from resunit.training.devices import free_memory_of, resolve_device
from resunit.training.distributed import start_distributed
from resunit.training.estimate import measure_speed, seconds_of_run
from resunit.training.prepare import assemble
from resunit.training.recipe import Recipe, recipe_from_json

# Runs that differ in these fields take the same time.
WITHOUT_TIME = {"name": "", "seed": 0}


def seconds_of_runs(recipes: Sequence[Recipe], threads: int, jobs: int) -> list[float]:
    """Return the seconds that each run takes from its first step to its end, its evaluations included.

    Each network is measured once, on noise in the place of CIFAR's images, so that no data set is needed. As many
    processes measure it at a time as runs will train, because these share a GPU, or the memory of the processor. The
    measurements of the signal and the checkpoints of a run are left out. A run has `threads` threads, unless
    OMP_NUM_THREADS says otherwise.

    Raises:
        RunError: a network cannot be measured.
        DataError: a folder of images cannot be read.
    """
    networks: list[Recipe] = []
    for recipe in recipes:
        network = replace(recipe, **WITHOUT_TIME)
        if network not in networks:
            networks.append(network)
    seconds = dict(enumerate(_measure_all(networks, threads, jobs)))
    return [seconds[networks.index(replace(recipe, **WITHOUT_TIME))] for recipe in recipes]


def _measure_all(networks: Sequence[Recipe], threads: int, jobs: int) -> Iterator[float]:
    """Yield the seconds of a run of each recipe, the longest that one of `jobs` processes measured. Raises RunError."""
    if not networks:
        return
    start_forkserver()
    documents = [each.to_json() for each in networks]
    memory = share_of_memory(free_memory_of(resolve_device(networks[0].device)), jobs)
    together = CONTEXT.Barrier(jobs)
    answers, children = [], list[ForkServerProcess]()
    try:
        for _ in range(jobs):
            answer, end = CONTEXT.Pipe(duplex=False)
            child = CONTEXT.Process(target=_measure, args=(documents, threads, memory, end, together))
            child.start()
            end.close()  # Only the child holds this end now, so that its death ends the wait for an answer.
            answers.append(answer)
            children.append(child)
        for network in networks:
            yield max(_receive(answers, network))
    finally:
        for child in children:
            child.terminate()
            child.join()


def _receive(answers: Sequence[Connection], network: Recipe) -> Iterator[float]:
    """Yield the seconds that each process measured, in the order in which they come. Raises RunError."""
    waiting = list(answers)
    while waiting:
        for answer in wait(waiting):
            assert isinstance(answer, Connection)
            waiting.remove(answer)
            try:
                seconds = answer.recv()
            except EOFError:
                seconds = "the process that measures it has ended"
            if isinstance(seconds, str):
                raise RunError(f"{network.model} {network.design}: no step could be measured: {seconds}")
            yield seconds


def _measure(
    documents: Sequence[Mapping[str, Any]],
    threads: int,
    memory: int | None,
    answers: Connection,
    together: Barrier,
) -> None:
    """Send the seconds of each run, or why there are none; the process does nothing else."""
    prepare_process(threads, memory)
    for document in documents:
        try:
            answers.send(_seconds_of(recipe_from_json(document), together))
        except Exception as error:  # The runner says what it was and about which network.
            answers.send(" ".join(f"{type(error).__name__}: {error}".split()))


def _seconds_of(recipe: Recipe, together: Barrier) -> float:
    if is_own_design(recipe.design):
        add_design(recipe.design)  # Whoever runs the table has named it.
    assert recipe.model is not None
    spec = network_spec(recipe.model, design=recipe.design, **recipe.model_options)
    dataset = noise_like(recipe.data, image_size=recipe.image_size) or load_dataset(recipe, progress=False)
    if recipe.validation:
        dataset = dataset.hold_out(recipe.validation)
    setup = assemble(recipe, spec, dataset, start_distributed(recipe.device))
    together.wait()
    return seconds_of_run(setup, measure_speed(setup))
