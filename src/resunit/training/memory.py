"""Which maps a run stores: all of them where they fit, else as few as the square root of depth needs."""

from resunit.errors import UsageError
from resunit.models.network import NetworkSpec
from resunit.models.summary import ActivationMemory, activation_memory
from resunit.training.devices import free_memory
from resunit.training.distributed import Distributed
from resunit.training.recipe import Recipe

NUMBER_BYTES = {"bf16": 2, "fp32": 4}
SHARE = 0.8  # of the free memory; the rest is for gradients on their way and for the convolutions' own use


def resolve_memory(recipe: Recipe, spec: NetworkSpec, image_size: int, worker: Distributed) -> str:
    """ "fast" or "small": what `recipe.activation_checkpointing` means on this worker for a resolved batch and precision.

    Raises UsageError, with settings that would fit, where the maps do not fit into the free memory.
    """
    free = free_memory(worker.device)
    if free is None:
        return "small" if recipe.activation_checkpointing == "small" else "fast"
    assert recipe.batch_size is not None
    group = min(recipe.ghost_batch_size or recipe.batch_size, recipe.batch_size // worker.count)
    needs = bytes_per_image(activation_memory(spec, image_size), recipe.precision)
    wanted = (
        ["fast", "small"] if recipe.activation_checkpointing == "auto" else [recipe.activation_checkpointing]
    )
    for mode in wanted:
        if group * needs[mode] <= SHARE * free:
            return mode
    raise UsageError(
        f"{recipe.model} needs about {gibibytes(group * needs[wanted[-1]])} to train on {group} images of "
        f"{image_size} pixels at once (memory={wanted[-1]}), and {gibibytes(free)} are free: "
        f"{remedy(group, needs, SHARE * free)}"
    )


def bytes_per_image(memory: ActivationMemory, precision: str) -> dict[str, int]:
    number = NUMBER_BYTES[precision]
    return {"fast": memory.everything * number, "small": memory.recomputed * number}


def remedy(group: int, needs: dict[str, int], room: float) -> str:
    """The settings that fit: less stored if that is enough, else fewer images at once."""
    if group * needs["small"] <= room:
        return "--set activation_checkpointing=small fits"
    images = int(room // needs["small"])
    if images < 2:
        return "no batch fits; take a shallower network or smaller images"
    return (
        f"--set activation_checkpointing=small --set ghost_batch_size={1 << (images.bit_length() - 1)} fits"
    )


def gibibytes(amount: float) -> str:
    return f"{amount / 2**30:.1f} GiB"
