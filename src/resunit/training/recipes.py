"""The named recipes: each function returns the complete configuration of a run.

A docstring says the command, the cost (`resunit.models.summary.count_training_flops`; 1 PFLOP is 10^15 floating-point
operations) and the error to expect, measured or cited. A variant is `dataclasses.replace` of one of them.
"""

from collections.abc import Callable
from dataclasses import replace

from resunit.errors import unknown
from resunit.training.recipe import Recipe


def quick() -> Recipe:
    """Return the default recipe: a wide, shallow pre-activation network, a good classifier within minutes.

    Command: `resunit train`.
    Method: Muon on the convolutions, a whitening stem, and half of the epochs on smaller images.
    Cost: 0.0998 PFLOP.
    Error: 8.6 % with one view and 7.6 % with six, on CIFAR-10's test set; means of three seeds
    (results/quick.jsonl).
    """
    return Recipe(
        name="quick",
        model="preresnet10-quick",
        epochs=12,
        batch_size=None,
        optimizer="muon",
        muon_learning_rate=0.1,
        muon_steps=3,
        learning_rate=0.1,
        nesterov=True,
        weight_decay=5e-4,
        decay_parameters="weights",
        muon_weight_decay=0.02,
        train_norm_scale=False,
        schedule="linear",
        warmup=0.1,
        label_smoothing=0.2,
        resize_scales=(24 / 32,),
        resize_ends=(6 / 12,),
        tta=True,
        padding=2,
        padding_mode="reflect",
        flip="alternating",
    )


def fast94() -> Recipe:
    """Return `quick` for a deeper and wider network, and for more epochs.

    Command: `resunit train --recipe fast94`.
    Cost: 0.359 PFLOP, 23 minutes on 2 cores.
    Error: 7.23 % with one view and 6.20 % with six, on CIFAR-10's test set; means of three seeds
    (docs/lab-notes.md).
    """
    return replace(
        quick(),
        name="fast94",
        model="preresnet12-fast94",
        epochs=19,
        padding=3,
    )


def paper() -> Recipe:
    """Return the paper's CIFAR recipe (appendix) for ResNet-110 with full pre-activation.

    Command: `resunit train --recipe paper`.
    Method: 64k iterations of 128 images on two GPUs, so batch norm over 64 images; learning rate 0.01 for the
    first 400 iterations, then 0.1, divided by 10 at 32k and 48k iterations.
    Cost: 12.4 PFLOP.
    Error: 6.37 % on CIFAR-10's test set in the paper (Table 2); not run to its end here.
    """
    return Recipe(
        name="paper",
        model="preresnet110",
        steps=64_000,
        batch_size=128,
        ghost_batch_size=64,
        learning_rate=0.1,
        weight_decay=1e-4,
        schedule="steps",
        milestones=(32 / 64, 48 / 64),
        warmup=400 / 64_000,
        warmup_learning_rate=0.01,
        normalisation="pixel",
    )


def fb() -> Recipe:
    """Return the recipe of the authors' published code (resnet-1k-layers) for pre-activation ResNet-164.

    Command: `resunit train --recipe fb`. The paper's 4.62 % is `resunit train --recipe fb --model preresnet1001
    --batch-size 64 --ghost-batch-size 32 --epochs 200 --milestones 0.405,0.61`.
    Method: 164 epochs with milestones at 81 and 122, Nesterov momentum, no warm-up, weight decay on every
    parameter, and zero padding after normalisation.
    Error: 5.46 % on CIFAR-10's test set in the paper (Table 2); not run to its end here.
    """
    return Recipe(
        name="fb",
        model="preresnet164",
        epochs=164,
        batch_size=128,
        ghost_batch_size=64,
        learning_rate=0.1,
        weight_decay=1e-4,
        nesterov=True,
        schedule="steps",
        milestones=(81 / 164, 122 / 164),
    )


def imagenet() -> Recipe:
    """Return the paper's ImageNet recipe (appendix) for ResNet-200 with full pre-activation.

    Command: `resunit train --recipe imagenet --data FOLDER`, with FOLDER/train/<class>/<image> and
    FOLDER/val/<class>/<image>.
    Method: 90 epochs in steps of 256 images on eight GPUs, so batch norm over 32 images; learning rate 0.1
    without warm-up, divided by 10 at epochs 30 and 60.
    Cost: 10,350 PFLOP for the 1,281,167 images of ImageNet; three weeks on 8 GPUs in the paper.
    Error: top-1 20.7 % and top-5 5.3 % on crops of 320 pixels in the paper (Table 5), and 20.1 % and 4.8 % with
    `--crop scale-aspect`; not run to its end here.
    """
    return Recipe(
        name="imagenet",
        model="preresnet200",
        data="imagenet",
        image_size=224,
        epochs=90,
        batch_size=256,
        ghost_batch_size=32,
        learning_rate=0.1,
        weight_decay=1e-4,
        schedule="steps",
        milestones=(30 / 90, 60 / 90),
        crop="scale",
        colour=True,
        padding=0,
    )


def finetune() -> Recipe:
    """Return a recipe that fits a trained network to the images of a folder, by default the published ResNet-50.

    Command: `resunit train --recipe finetune --data FOLDER`, or with `--weights` of another network.
    Method: SGD whose learning rate falls to 0 in a line; the classifier learns ten times as fast as the rest, and
    the stem and the first two stages stay as they are.
    Cost: 0.00498 PFLOP for the three epochs of 400 images of 112 pixels below.
    Error: 18.8 % on 400 test images of solar cells in two classes of equal size, with `--image-size 112`; the mean
    of seeds 0 to 2, which had 16.0, 21.5 and 19.0 % (docs/fine-tuning.md has the images and the command).
    """
    return Recipe(
        name="finetune",
        model=None,
        weights="imagenet",
        freeze=("stem", "stage1", "stage2"),
        epochs=3,
        batch_size=32,
        learning_rate=0.001,
        head_learning_rate=0.01,
        nesterov=True,
        weight_decay=1e-4,
        schedule="linear",
        warmup=0.1,
        padding=8,
        padding_mode="reflect",
    )


RECIPES: dict[str, Callable[[], Recipe]] = {
    "quick": quick,
    "fast94": fast94,
    "paper": paper,
    "fb": fb,
    "imagenet": imagenet,
    "finetune": finetune,
}


def named_recipe(name: str) -> Recipe:
    """Return the recipe called `name`. Raises UsageError with the nearest name."""
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    return RECIPES[name]()
