"""RandAugment and random erasing, by torchvision: each image has a seed of its own."""

from collections.abc import Callable

import torch
from torch import Tensor

from resunit.data.augmentation import Augmentation, EpochPlan, augment
from resunit.data.normalisation import Normalisation

# Erasing draws from another seed than RandAugment, or an image's operations would decide where it is erased.
SEED_BITS_OF_ERASING = 0x5DEECE66


def images_for_training(
    images: Tensor, indices: Tensor, plan: EpochPlan, augmentation: Augmentation, normalisation: Normalisation
) -> Tensor:
    """Return images in memory as training sees them: augmented and normalised, (n, C, H, W) float32.

    Args:
        images: (n, C, H, W) uint8.
        indices: the indices (n,) of these images in the plan.
        plan: the random choices of the epoch.
        augmentation: how the images are changed.
        normalisation: what training normalises them with.
    """
    if augmentation.rand_augment is not None:
        images = apply_rand_augment(images, plan.seeds[indices], augmentation.rand_augment)
    moved = augment(normalisation(images), plan.offsets[indices], plan.flips[indices], augmentation)
    return erase(moved, plan.seeds[indices], augmentation.random_erasing)


def apply_rand_augment(images: Tensor, seeds: Tensor, magnitude: int) -> Tensor:
    """Return each image after two random operations of RandAugment (Cubuk et al. 2020).

    Args:
        images: (n, 3, H, W) uint8.
        seeds: (n,) int64, which determine the operations of each image.
        magnitude: the strength of the operations, 0 to 30.
    """
    # torchvision takes long to import, and most recipes do without it.
    from torchvision.transforms import v2

    return _transform_each(images, seeds, v2.RandAugment(magnitude=magnitude))


def erase(images: Tensor, seeds: Tensor, probability: float) -> Tensor:
    """Return the images, some of which have a random rectangle of zeros (Zhong et al. 2020).

    Args:
        images: (n, C, H, W), normalised, so that zeros are the mean colour.
        seeds: (n,) int64, which determine the rectangle of each image.
        probability: the share of images that have a rectangle; it covers 2 to 33 % of the image.
    """
    if not probability:
        return images
    from torchvision.transforms import v2

    erased = _transform_each(images, seeds ^ SEED_BITS_OF_ERASING, v2.RandomErasing(probability))
    return erased.contiguous(memory_format=torch.channels_last)


def _transform_each(images: Tensor, seeds: Tensor, transform: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the transformed images; torchvision draws from torch's default generator, which stays as it was."""
    with torch.random.fork_rng([]):
        transformed = []
        for image, seed in zip(images, seeds.tolist(), strict=True):
            torch.default_generator.manual_seed(seed)
            transformed.append(transform(image))
    return torch.stack(transformed)
