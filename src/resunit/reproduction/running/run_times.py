"""How long runs take on this machine, from a few steps of each network in a process like that of a run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from resunit.data import noise_like
from resunit.errors import RunError
from resunit.models.custom import add_design
from resunit.models.registry import network_spec
from resunit.reproduction.running.one_run import prepare_process
from resunit.reproduction.running.runner import CONTEXT, start_forkserver
from resunit.training.data_of_run import load_dataset
from resunit.training.distributed import start_distributed
from resunit.training.estimate import measure_speed, seconds_of_run
from resunit.training.prepare import assemble
from resunit.training.recipe import Recipe, is_own_design, recipe_from_json

# Runs that differ in these fields take the same time.
WITHOUT_TIME = {"name": "", "seed": 0}


def seconds_of_runs(recipes: Sequence[Recipe], threads: int) -> list[float]:
    """Return the seconds that each run takes from its first step to its end, its evaluations included.

    Each network is measured once, on noise in the place of CIFAR's images, so that no data set is needed. The
    measurements of the signal and the checkpoints of a run are left out.

    Args:
        recipes: the recipes of the runs.
        threads: the threads of a run, unless OMP_NUM_THREADS says otherwise.

    Raises:
        RunError: a network cannot be measured.
        DataError: a folder of images cannot be read.
    """
    networks: list[Recipe] = []
    for recipe in recipes:
        network = replace(recipe, **WITHOUT_TIME)
        if network not in networks:
            networks.append(network)
    seconds = dict(enumerate(_measure_all(networks, threads)))
    return [seconds[networks.index(replace(recipe, **WITHOUT_TIME))] for recipe in recipes]


def _measure_all(networks: Sequence[Recipe], threads: int) -> Iterator[float]:
    """Yield the seconds of a run of each recipe, measured in a process of its own. Raises RunError."""
    if not networks:
        return
    start_forkserver()
    answers, end = CONTEXT.Pipe(duplex=False)
    child = CONTEXT.Process(target=_measure, args=([each.to_json() for each in networks], threads, end))
    child.start()
    end.close()  # Only the child holds this end now, so that its death ends the wait for an answer.
    try:
        for network in networks:
            try:
                answer = answers.recv()
            except EOFError:
                answer = "the process that measures it has ended"
            if isinstance(answer, str):
                raise RunError(f"{network.model} {network.design}: no step could be measured: {answer}")
            yield answer
    finally:
        child.terminate()
        child.join()


def _measure(documents: Sequence[Mapping[str, Any]], threads: int, answers: Connection) -> None:
    """Send the seconds of each run, or why there are none; the process does nothing else."""
    prepare_process(threads)
    for document in documents:
        try:
            answers.send(_seconds_of(recipe_from_json(document)))
        except Exception as error:  # The runner says what it was and about which network.
            answers.send(" ".join(f"{type(error).__name__}: {error}".split()))


def _seconds_of(recipe: Recipe) -> float:
    if recipe.design is not None and is_own_design(recipe.design):
        add_design(recipe.design)  # Whoever runs the table has named it.
    assert recipe.model is not None
    spec = network_spec(recipe.model, design=recipe.design, **recipe.model_options)
    dataset = noise_like(recipe.data, image_size=recipe.image_size) or load_dataset(recipe, progress=False)
    if recipe.validation:
        dataset = dataset.hold_out(recipe.validation)
    setup = assemble(recipe, spec, dataset, start_distributed(recipe.device))
    return seconds_of_run(setup, measure_speed(setup))
