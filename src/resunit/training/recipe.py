"""Recipes: all that determines a training run, as frozen values. Torch-free, so that help is instant.

A named recipe is a function that returns the complete configuration; a variant is `dataclasses.replace`.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from resunit.errors import unknown


@dataclass(frozen=True)
class Recipe:
    """A training run. Errors are in percent, learning rates per step, fractions of all steps.

    Attributes:
        model, design, model_options: the network, as in `resunit.create_model`.
        data: "cifar10", "cifar100", "cifar10-sample" or a folder of images in class folders.
        image_size: pixels a side for a folder of images (224 here and below); None lets the data decide.
        validation: training images held out for evaluation; the test set is then not touched.
        epochs, steps: the length, in one or the other; the schedule stretches or shrinks with it.
        batch_size: images a step over all devices; None is 250, or a sixteenth of few images.
        ghost_batch_size: images a batch-norm group, taken as micro-batches; None is a device's whole share.
        optimizer: "sgd", or "muon" for the convolutions and SGD for the rest.
        learning_rate, nesterov, weight_decay: of SGD; momentum: of both.
        muon_learning_rate, muon_weight_decay, muon_steps: of Muon, the last its Newton-Schulz steps.
        train_norm_scale: learn batch norm's gamma, or leave it at 1.
        decay_parameters: "all", or "weights" for convolutions and the classifier without norms and biases.
        schedule: "steps" (divided by 10 at each of `milestones`) or "linear" (falls to 0).
        warmup: fraction of the steps at `warmup_learning_rate` ("steps") or rising linearly ("linear").
        resize_scales, resize_ends: train on images scaled by resize_scales[i] until the fraction resize_ends[i] of the run,
            and then as they are; evaluation always sees them as they are.
        crop: "shift" moves images by up to `padding` pixels, with `padding_mode` around them. The others take
            crops of 224 pixels from a folder's files as they are read, so that memory sets no limit: "scale"
            after bringing the shorter side to 256 to 480 pixels, "scale-aspect" of 8 to 100 % of the area at
            3/4 to 4/3. Tests then use the centre of images of 256 pixels, and at the end also those of 320.
        colour: with such crops, jitter brightness, contrast and saturation, and shift the lighting.
        flip: mirror images, "random" or "alternating" epoch by epoch.
        normalisation: "pixel" subtracts the mean image, "channel" standardises the channels.
        precision: "auto" is bf16 autocast where the device is fast at it and the network tolerates it.
        activation_checkpointing: "fast" stores all maps for the backward pass; "small" computes most of them again, and needs
            memory for the square root of the depth; "auto" is "fast" where that fits. Results are the same.
        evaluate_every: epochs between evaluations; evaluate_steps: steps, in their place.
        evaluation_images: how many images the evaluations before the last one use; None is all.
        tta: at the end, also evaluate on mirrored and shifted views of an image, or on ten crops.
        checkpoint_every: steps between checkpoints; None is every epoch or 10 minutes.
        watch_propagation: steps between measurements of the signal through the junctions; None for none.
        device: "auto", or a torch device.
    """

    name: str
    model: str
    batch_size: int | None
    learning_rate: float
    weight_decay: float
    schedule: Literal["steps", "linear"]
    design: str | None = None
    model_options: Mapping[str, Any] = field(default_factory=dict)
    data: str = "cifar10"
    image_size: int | None = None
    validation: int = 0
    seed: int = 0
    epochs: float | None = None
    steps: int | None = None
    ghost_batch_size: int | None = None
    optimizer: Literal["sgd", "muon"] = "sgd"
    muon_learning_rate: float = 0.1
    muon_weight_decay: float = 0.0
    muon_steps: int = 5
    momentum: float = 0.9
    nesterov: bool = False
    decay_parameters: Literal["all", "weights"] = "all"
    train_norm_scale: bool = True
    milestones: tuple[float, ...] = ()
    warmup: float = 0.0
    warmup_learning_rate: float = 0.0
    label_smoothing: float = 0.0
    resize_scales: tuple[float, ...] = ()
    resize_ends: tuple[float, ...] = ()
    crop: Literal["shift", "scale", "scale-aspect"] = "shift"
    colour: bool = False
    padding: int = 4
    padding_mode: Literal["zeros", "reflect"] = "zeros"
    flip: Literal["random", "alternating", "none"] = "random"
    normalisation: Literal["pixel", "channel"] = "channel"
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    activation_checkpointing: Literal["auto", "fast", "small"] = "auto"
    evaluate_every: int = 1
    evaluate_steps: int | None = None
    evaluation_images: int | None = None
    tta: bool = False
    checkpoint_every: int | None = None
    watch_propagation: int | None = None
    device: str = "auto"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def quick() -> Recipe:
    """The default: a wide, shallow pre-activation network, for a good classifier within minutes.

    resunit train

    Muon on the convolutions, a whitening stem, and half of the epochs on smaller images. 0.0998 PFLOP; 8.6 %
    test error with one view, 7.6 % with six: means of three seeds (results/quick.jsonl).
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
    """`quick` on a deeper and wider network, and longer.

    resunit train --recipe fast94

    0.359 PFLOP by `cost.training_flops`; 7.23 % test error with one view, 6.20 % with six (means of 3 seeds,
    docs/lab-notes.md), in 23 minutes on 2 cores.
    """
    return replace(
        quick(),
        name="fast94",
        model="preresnet12-fast94",
        epochs=19,
        padding=3,
    )


def paper() -> Recipe:
    """The paper's CIFAR recipe (appendix): ResNet-110 with full pre-activation, 6.37 % in the paper.

    resunit train --recipe paper

    64k iterations of 128 images, batch norm over groups of 64, learning rate 0.01 for the first 400
    iterations, then 0.1, divided by 10 at 32k and 48k. 12.4 PFLOP by `cost.training_flops`. Not run to the
    end here.
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
    """What the authors' published code runs (resnet-1k-layers): 5.46 % for pre-activation 164 in the paper.

    resunit train --recipe fb

    164 epochs with drops at 81 and 122, Nesterov momentum, no warm-up, weight decay on every parameter,
    channels whitened before padding. The published 4.62 % is `--model preresnet1001 --set batch_size=64
    --set ghost_batch_size=32 --set epochs=200 --set milestones=0.405,0.61`. Not run to the end here.
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
    """The paper's ImageNet recipe: ResNet-200 with full pre-activation, top-1 / top-5 error 20.7 / 5.3 % on
    crops of 320 pixels in the paper; 20.1 / 4.8 % with `--set crop=scale-aspect`.

    resunit train --recipe imagenet --data FOLDER

    90 epochs of steps of 256 images, batch norm over groups of 32, learning rate 0.1 without warm-up, divided
    by 10 at epochs 30 and 60. 10,350 PFLOP by `cost.training_flops` for the 1,281,167 images of ImageNet;
    three weeks on 8 GPUs in the paper. Not run to the end here. FOLDER has train/<class>/<image> and
    val/<class>/<image>.
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


RECIPES: dict[str, Callable[[], Recipe]] = {
    "quick": quick,
    "fast94": fast94,
    "paper": paper,
    "fb": fb,
    "imagenet": imagenet,
}


def named_recipe(name: str) -> Recipe:
    """The recipe of that name; raises UsageError with the nearest name."""
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    return RECIPES[name]()
