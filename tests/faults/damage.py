"""Files with a flipped bit, a lost end or a block of zeros: each is found before it is used, and named."""

import random
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

from resunit.data.cifar.sample import FOLDER, SAMPLE
from resunit.data.cifar.storage import read_stored
from resunit.errors import DataError, FileFormatError, ResunitError
from resunit.io.tensors import LENGTH_BYTES
from resunit.models.weights import read_weights
from resunit.runs.folder import RunFolder
from resunit.training.checkpoints import find_newest_checkpoint
from resunit.training.recipe import read_stored_recipe
from resunit.training.same_run import MAY_CHANGE, check_recipe_of_run
from tests.faults.disturbed import run
from tests.faults.figures import Figures
from tests.faults.small_runs import begin, go_on, problems_at_the_end, undisturbed
from tests.faults.storage import Storage, Strike

BLOCK = 512  # Bytes of a sector.
SAVE = 3


@dataclass(frozen=True)
class Target:
    """A file to damage, and how it is read."""

    kind: str
    file: Path
    read: Callable[[], object]
    """Returns what is used of the file."""
    regions: tuple[str, ...]


TENSOR_REGIONS = ("length", "header", "first tensors", "middle", "end")
TEXT_REGIONS = ("beginning", "middle", "end")


def bounds(region: str, content: bytes) -> tuple[int, int]:
    """Return where a region of a file begins and ends."""
    size = len(content)
    header = LENGTH_BYTES + int.from_bytes(content[:LENGTH_BYTES], "little")
    third = size // 3
    return {
        "length": (0, LENGTH_BYTES),
        "header": (LENGTH_BYTES, header),
        "first tensors": (header, header + BLOCK),
        "beginning": (0, third),
        "middle": (third, 2 * third),
        "end": (size - BLOCK if size > 4 * BLOCK else 2 * third, size),
    }[region]


def flip(content: bytes, place: int, moments: random.Random) -> bytes:
    return content[:place] + bytes([content[place] ^ 1 << moments.randrange(8)]) + content[place + 1 :]


def truncate(content: bytes, place: int, _moments: random.Random) -> bytes:
    return content[:place]


def blank(content: bytes, place: int, _moments: random.Random) -> bytes:
    return content[:place] + bytes(len(content[place : place + BLOCK])) + content[place + BLOCK :]


DAMAGES = (flip, truncate, blank)


def damage(per_region: int, seed: int, where: Path) -> list[Figures]:
    """Damage each region of each kind of file, and read it.

    A case passes if an error or a warning names the file, or if what is read is what was written: an indentation of
    JSON and a name that no number depends on may change.
    """
    moments, found = random.Random(seed), []
    for target in targets(where):
        content, sound = target.file.read_bytes(), target.read()
        figures = Figures(f"damaged {target.kind}: {', '.join(target.regions)}")
        for region in target.regions:
            first, end = bounds(region, content)
            for number in range(per_region * len(DAMAGES)):
                do, place = DAMAGES[number % len(DAMAGES)], moments.randrange(first, end)
                damaged = do(content, place, moments)
                if damaged == content:
                    continue
                target.file.write_bytes(damaged)
                problems = [] if is_found(target, sound) else ["was not found, or not named"]
                figures.add(f"{do.__name__} at byte {place} of {len(content)} ({region})", problems)
        target.file.write_bytes(content)
        found.append(figures)
    return found


def is_found(target: Target, sound: object) -> bool:
    """Return whether a damaged file is named by an error or a warning, or whether nothing depends on the damage."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            read = target.read()
        except (FileFormatError, DataError) as error:
            return str(target.file.parent) in str(
                error
            )  # A damaged checksum names the file that it belongs to.
        except ResunitError as error:  # Of a recipe: the file or the field.
            return target.kind == "recipe.json" and bool(str(error))
    return any(str(target.file) in str(warning.message) for warning in heard) or equal(read, sound)


def equal(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def targets(where: Path) -> list[Target]:
    """Return one file of each kind, of a finished run and of a stored data set."""
    undisturbed(where, name="damaged", watch_propagation=2)
    out = where / "damaged"
    run_folder = RunFolder(out)
    data = where / "data"
    if not data.exists():
        copytree(FOLDER, data)
    newest = max(run_folder.checkpoints.glob("*"))

    def recipe() -> object:
        environment = run_folder.read_environment()
        assert environment is not None
        read = read_stored_recipe(run_folder)
        check_recipe_of_run(run_folder, read, environment)
        return {name: value for name, value in read.to_json().items() if name not in MAY_CHANGE}

    def checkpoint() -> object:
        found = find_newest_checkpoint(run_folder.checkpoints)
        assert found is not None
        return found.state

    return [
        Target("checkpoint", newest, checkpoint, TENSOR_REGIONS),
        Target("weights", run_folder.weights, lambda: read_weights(run_folder.weights), TENSOR_REGIONS),
        Target("recipe.json", run_folder.recipe, recipe, TEXT_REGIONS),
        Target("environment.json", run_folder.environment, run_folder.read_environment, TEXT_REGIONS),
        Target("log.jsonl", run_folder.log, run_folder.read_log, TEXT_REGIONS),
        Target("propagation.jsonl", run_folder.propagation, run_folder.read_propagation, TEXT_REGIONS),
        Target("evaluation.json", run_folder.evaluation, run_folder.read_evaluation, TEXT_REGIONS),
        Target("result.json", run_folder.result, run_folder.read_result, TEXT_REGIONS),
        *(
            Target(f"data ({name})", data / name, lambda: read_stored(data, SAMPLE).checksum, TEXT_REGIONS)
            for name in ("train_1.bin", "test.bin", "manifest.json")
        ),
    ]


def fall_back(count: int, seed: int, where: Path) -> list[Figures]:
    """Damage the newest checkpoint of a killed run; it goes on from the one before, to the same end."""
    expected, moments = undisturbed(where), random.Random(seed)
    figures = Figures("newest checkpoint damaged: the run goes on from the one before")
    for number in range(count):
        out = where / f"fallen-back-{number}"
        assert run(begin(out), where, Storage(Strike(SAVE)).install).was_killed
        newest = max((out / "checkpoints").glob("*"))
        content = newest.read_bytes()
        first, end = bounds(TENSOR_REGIONS[number % len(TENSOR_REGIONS)], content)
        do = DAMAGES[number % len(DAMAGES)]
        newest.write_bytes(do(content, moments.randrange(first, end), moments))
        ended = run(go_on(out), where)
        problems = [] if str(newest) in ended.output else [f"the file is not named: {ended.output}"]
        figures.add(f"{do.__name__} {number}", problems or problems_at_the_end(ended, out, expected))
        rmtree(out)
    return [figures]
