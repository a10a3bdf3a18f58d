"""The choice of activation checkpointing: all activations are stored if they fit, else about sqrt(depth) of them."""

from typing import Literal

from resunit.errors import UsageError
from resunit.models.network import NetworkSpec
from resunit.models.summary import ActivationMemory, count_activations
from resunit.training.devices import free_memory_of
from resunit.training.distributed import Distributed
from resunit.training.recipe import Recipe

Mode = Literal["fast", "small"]
BYTES_PER_NUMBER = {"bf16": 2, "tf32": 4, "fp32": 4, "fp64": 8}
USABLE_SHARE = 0.8  # Gradients and the work space of convolutions take the rest of the free memory.


def resolve_activation_checkpointing(
    recipe: Recipe, spec: NetworkSpec, image_size: int, distributed: Distributed
) -> Mode:
    """Return "fast" or "small": what `recipe.activation_checkpointing` means in this process.

    Args:
        recipe: its batch size and its precision are resolved.
        spec: the network.
        image_size: the side of the training images in pixels.
        distributed: the process.

    Raises:
        UsageError: the activations do not fit into the free memory; the message names options that would.
    """
    free = free_memory_of(distributed.device)
    if free is None:
        return "small" if recipe.activation_checkpointing == "small" else "fast"
    assert recipe.batch_size is not None
    images = min(recipe.ghost_batch_size or recipe.batch_size, recipe.batch_size // distributed.world_size)
    needs = bytes_per_image(count_activations(spec, image_size, recipe.freeze), recipe.precision)
    asked = recipe.activation_checkpointing
    modes: tuple[Mode, ...] = ("fast", "small") if asked == "auto" else (asked,)
    for mode in modes:
        if images * needs[mode] <= USABLE_SHARE * free:
            return mode
    name, mode = recipe.model or recipe.weights, modes[-1]
    raise UsageError(
        f"{name} needs about {_gibibytes(images * needs[mode])} to train on {images} images of {image_size} pixels "
        f"at once with --activation-checkpointing {mode}, and {_gibibytes(free)} are free; "
        f"{_remedy(images, needs, USABLE_SHARE * free)}"
    )


def bytes_per_image(memory: ActivationMemory, precision: str) -> dict[Mode, int]:
    """Return the bytes that each mode stores for one image in "bf16", "tf32", "fp32" or "fp64"."""
    number = BYTES_PER_NUMBER[precision]
    return {"fast": memory.everything * number, "small": memory.checkpointed * number}


def _remedy(images: int, needs: dict[Mode, int], room: float) -> str:
    """Return the options that fit: to store less if that is enough, else also to take fewer images at once."""
    if images * needs["small"] <= room:
        return "--activation-checkpointing small fits"
    fitting = int(room // needs["small"])
    if fitting < 2:
        return "take a shallower network or smaller images, because not even 2 images fit"
    return f"--activation-checkpointing small --ghost-batch-size {1 << (fitting.bit_length() - 1)} fits"


def _gibibytes(amount: float) -> str:
    return f"{amount / 2**30:.1f} GiB"
