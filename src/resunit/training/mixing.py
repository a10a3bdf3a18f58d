"""Mixup and CutMix: images of a batch are mixed with their neighbours, and so are their labels."""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from resunit.training.recipe import Recipe


@dataclass(frozen=True)
class Mixing:
    """How the images of a step are mixed; with both kinds, half of the steps have each."""

    mixup: float
    """The alpha of mixup's share, which is a draw from Beta(alpha, alpha); 0 for no mixup (Zhang et al. 2018)."""
    cutmix: float
    """The alpha of the share of the rectangle that CutMix takes from another image; 0 for none (Yun et al. 2019)."""
    classes: int
    seed: int

    def __call__(self, images: Tensor, labels: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Return mixed images and the share of each class in them, (n, classes) float32.

        The share and the rectangle depend on the seed and the step alone, and an image is mixed with the one before
        it, so neither resuming nor another number of ranks with the same ghost batches changes them. Where ranks share
        one ghost batch, each mixes its own part.

        Args:
            images: (n, C, H, W), normalised.
            labels: (n,) int64.
            step: the number of the step, counted from 0.
        """
        # torchvision takes long to import, and most recipes do without it.
        from torchvision.transforms import v2

        kinds = [
            kind(alpha=alpha, num_classes=self.classes)
            for kind, alpha in ((v2.MixUp, self.mixup), (v2.CutMix, self.cutmix))
            if alpha
        ]
        digest = hashlib.sha256(f"{self.seed} mixing of step {step}".encode()).digest()
        with torch.random.fork_rng([]):
            torch.default_generator.manual_seed(int.from_bytes(digest[:4], "big"))
            mixed, shares = v2.RandomChoice(kinds)(images, labels)
        return mixed.contiguous(memory_format=torch.channels_last), shares.float()


def describe_mixing(recipe: Recipe, classes: int) -> Mixing | None:
    """Return how the images of a step are mixed; None if they are not."""
    if not (recipe.mixup or recipe.cutmix):
        return None
    return Mixing(recipe.mixup, recipe.cutmix, classes, recipe.seed)
