"""A recipe: everything that determines a training run, as one frozen value that is valid from the start.

Nothing here imports torch, so that help is instant. The named recipes stand in training/recipes.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from resunit.errors import FileFormatError, UsageError, unknown
from resunit.io.fields import (
    ABOVE_ZERO,
    SHARE_BELOW_ONE,
    Bounds,
    Topic,
    annotations_of,
    check_fields,
    from_json,
    to_json,
)
from resunit.io.places import user_path
from resunit.models.design_source import is_own_design
from resunit.models.options import NETWORK, OPTIONS, check_option
from resunit.runs.folder import RunFolder
from resunit.runs.recipe_format import RECIPE_FORMAT, upgrade_recipe
from resunit.runs.record_files import read_json

FINE_TUNING = Topic("Fine-tuning")
LENGTH, DATA, AUGMENTATION = Topic("Length"), Topic("Data"), Topic("Augmentation")
OPTIMIZER, SCHEDULE = Topic("Optimizer"), Topic("Learning rate schedule")
EVALUATION, MACHINE = Topic("Evaluation"), Topic("Machine")

COUNT = Bounds(1)
BATCH_SIZE = Bounds(2)
COEFFICIENT = Bounds(0, 1)
INSIDE_THE_RUN = Bounds(0, 1, low_is_open=True, high_is_open=True)
DECAY = Bounds(0, 1, low_is_open=True, high_is_open=True)
UP_TO_ONE = Bounds(0, 1, low_is_open=True)
GREATEST_SEED = 2**32 - 1  # torch's CPU generator uses 32 bits of a seed


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A training run in plain values, checked when it is made.

    "Share of the run" is a number of steps divided by all steps of the run. Errors are in percent.

    Raises:
        UsageError: a field is ill-typed or out of its bounds, or fields do not fit together.
    """

    name: str
    """The recipe's name; the run's default folder is named after it."""
    model: Annotated[str | None, NETWORK]
    """The network is one of those that `resunit models` lists; none takes the network of `weights`."""
    design: Annotated[str | None, NETWORK] = None
    """The design of its units is a row of Tables 1 and 2 or a later one, as `resunit models` lists them; none keeps the
    network's own."""
    model_options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the design and of the network, as `resunit.create_model` takes them (models/options.py)."""
    seed: Annotated[int, Bounds(0, GREATEST_SEED), NETWORK] = 0
    """The seed determines the initial weights, the order of the images and their augmentation."""

    weights: Annotated[str | None, FINE_TUNING] = None
    """The run starts from these weights: a run's folder, a weights.safetensors, or "imagenet" for the published
    ResNet-50. Unless `model` is given too, the network and its options are those of the weights. Their
    normalisation is used and, for a folder, their image size. The classes are those of the data; if they are
    not exactly those of the weights, the classifier is fresh."""
    freeze: Annotated[tuple[str, ...], FINE_TUNING] = ()
    """These parts do not train, and their batch norms keep their statistics: stem, stage1, stage2 and so on,
    final_activation, classifier."""
    head_learning_rate: Annotated[float | None, ABOVE_ZERO, FINE_TUNING] = None
    """The peak learning rate of the classifier, which follows the schedule as all others do; none is that of
    `learning_rate`."""

    epochs: Annotated[float | None, ABOVE_ZERO, LENGTH] = None
    """The run takes this many epochs, unless `steps` is given; the schedule stretches or shrinks with it."""
    steps: Annotated[int | None, COUNT, LENGTH] = None
    """The run takes this many steps, unless `epochs` is given; the schedule stretches or shrinks with it."""

    data: Annotated[str, DATA] = "cifar10"
    """The data set is cifar10, cifar100, cifar10-sample, or a folder of images in class folders."""
    image_size: Annotated[int | None, Bounds(8, 4096), DATA] = None
    """Images get this many pixels a side: those of a folder are resized, CIFAR's 32 are averaged once to 16 or 8;
    none lets the data set decide."""
    validation: Annotated[int, Bounds(0), DATA] = 0
    """This many training images are held out for evaluation, and the test set is then not touched."""
    skip_broken: Annotated[int, Bounds(0), DATA] = 0
    """Up to this many unreadable images of a folder are left out and listed; one more ends the run before it
    trains. With crops of files, all images are decoded once to find them."""
    sampling: Annotated[Literal["once", "balanced"], DATA] = "once"
    """An epoch shows each image once (once), or draws images with replacement so that all classes are shown equally
    often (balanced)."""
    class_weights: Annotated[Literal["none", "balanced"], DATA] = "none"
    """The loss of an image counts alike in all classes (none), or in inverse proportion to the number of images of
    its class (balanced)."""
    batch_size: Annotated[int | None, BATCH_SIZE, DATA] = None
    """A step takes this many images over all devices, and never more than there are to train on; none means 250, or a
    sixteenth of a small data set."""
    ghost_batch_size: Annotated[int | None, BATCH_SIZE, DATA] = None
    """Batch norm normalises over this many images, one micro-batch; none takes the whole batch, over all devices."""
    normalisation: Annotated[Literal["pixel", "channel"], DATA] = "channel"
    """The mean image is subtracted (pixel), or each channel gets mean 0 and standard deviation 1 (channel)."""

    crop: Annotated[Literal["shift", "scale", "scale-aspect"], AUGMENTATION] = "shift"
    """Images are shifted within their padding (shift), or cropped from a folder's files as they are read (paper
    appendix, ImageNet): after the shorter side was scaled to 256 to 480 pixels (scale), or with 8 to 100 % of
    the area and an aspect ratio of 3/4 to 4/3 (scale-aspect). Crops of files need no memory for the data set;
    tests then take the centre of images of 256 pixels, and at the end also of 320 pixels."""
    padding: Annotated[int, Bounds(0, 512), AUGMENTATION] = 4
    """A shift moves an image by up to this many pixels in each direction."""
    padding_mode: Annotated[Literal["zeros", "reflect"], AUGMENTATION] = "zeros"
    """Pixels that a shift brings in are zeros after normalisation (zeros), or mirror the image (reflect)."""
    flip: Annotated[Literal["random", "alternating", "none"], AUGMENTATION] = "random"
    """Images are mirrored at random, in every other epoch (alternating), or never (none)."""
    colour: Annotated[bool, AUGMENTATION] = False
    """Crops of files get other brightness, contrast, saturation and lighting (paper appendix, ImageNet)."""
    rand_augment: Annotated[int | None, Bounds(0, 30), AUGMENTATION] = None
    """Each image passes two random operations of RandAugment with this magnitude, such as 9; none leaves it out."""
    random_erasing: Annotated[float, COEFFICIENT, AUGMENTATION] = 0.0
    """This share of the images gets a random rectangle of the mean colour."""
    mixup: Annotated[float, Bounds(0), AUGMENTATION] = 0.0
    """The alpha of mixup, such as 0.2: images and labels of a batch are blended in pairs; 0 leaves it out."""
    cutmix: Annotated[float, Bounds(0), AUGMENTATION] = 0.0
    """The alpha of CutMix, such as 1: images get a rectangle of another image and a share of its label; 0 leaves it
    out. With mixup too, half of the steps have each."""
    resize_scales: Annotated[tuple[float, ...], UP_TO_ONE, AUGMENTATION] = ()
    """Progressive resizing trains on images scaled by these factors, one after the other, and then on whole ones."""
    resize_ends: Annotated[tuple[float, ...], INSIDE_THE_RUN, AUGMENTATION] = ()
    """Each of `resize_scales` ends at this share of the run."""

    optimizer: Annotated[Literal["sgd", "muon", "adamw"], OPTIMIZER] = "sgd"
    """SGD or AdamW trains all parameters, or Muon trains the convolutions and SGD the rest (muon)."""
    learning_rate: Annotated[float, ABOVE_ZERO, OPTIMIZER]
    """The peak learning rate of SGD and of AdamW."""
    momentum: Annotated[float, SHARE_BELOW_ONE, OPTIMIZER] = 0.9
    """The momentum of SGD and of Muon, and the first beta of AdamW."""
    nesterov: Annotated[bool, OPTIMIZER] = False
    """SGD uses Nesterov momentum."""
    weight_decay: Annotated[float, COEFFICIENT, OPTIMIZER]
    """The coefficient of weight decay of SGD and of AdamW."""
    decay_parameters: Annotated[Literal["all", "weights"], OPTIMIZER] = "all"
    """Weight decay applies to all parameters (all), or to all but norms and biases (weights)."""
    max_gradient_norm: Annotated[float | None, ABOVE_ZERO, OPTIMIZER] = None
    """Gradients whose norm, over all parameters, is greater than this are scaled down to it; none leaves them."""
    ema_decay: Annotated[float | None, DECAY, OPTIMIZER] = None
    """The weights that are evaluated and kept are an exponential moving average of those of all steps, with this
    decay, such as 0.999; in the first steps the decay is lower; none keeps the weights of the last step."""
    label_smoothing: Annotated[float, SHARE_BELOW_ONE, OPTIMIZER] = 0.0
    """This share of a label's probability is spread over all classes."""
    train_norm_scale: Annotated[bool, OPTIMIZER] = True
    """Batch norm learns its scale gamma; otherwise gamma stays 1."""
    muon_learning_rate: Annotated[float, ABOVE_ZERO, OPTIMIZER] = 0.1
    """The peak learning rate of Muon."""
    muon_weight_decay: Annotated[float, COEFFICIENT, OPTIMIZER] = 0.0
    """The coefficient of weight decay of Muon."""
    muon_steps: Annotated[int, Bounds(1, 20), OPTIMIZER] = 5
    """Muon orthogonalises an update by this many Newton-Schulz steps."""

    schedule: Annotated[Literal["steps", "linear", "cosine"], SCHEDULE]
    """The learning rate is divided by 10 at each milestone (steps), or falls to 0 in a line (linear) or along half a
    cosine (cosine)."""
    milestones: Annotated[tuple[float, ...], INSIDE_THE_RUN, SCHEDULE] = ()
    """The schedule "steps" divides the learning rate by 10 at these shares of the run, in ascending order."""
    warmup: Annotated[float, SHARE_BELOW_ONE, SCHEDULE] = 0.0
    """The warm-up lasts for this share of the run (paper section 3.1: the first 400 iterations)."""
    warmup_learning_rate: Annotated[float, Bounds(0), SCHEDULE] = 0.0
    """The warm-up has this learning rate ("steps"), or rises from it in a line ("linear" and "cosine")."""

    evaluate_every: Annotated[int, COUNT, EVALUATION] = 1
    """The network is evaluated each time this many epochs have passed, unless `evaluate_steps` is given."""
    evaluate_steps: Annotated[int | None, COUNT, EVALUATION] = None
    """The network is evaluated each time this many steps have passed; none leaves it to `evaluate_every`."""
    evaluation_images: Annotated[int | None, COUNT, EVALUATION] = None
    """Evaluations before the last one use only this many images, the first of the split; none means all."""
    patience: Annotated[int | None, COUNT, EVALUATION] = None
    """The run ends early after this many evaluations in a row without a validation error below the lowest one; none
    trains to the end. It needs validation images, because test images choose nothing."""
    keep_best: Annotated[bool, EVALUATION] = False
    """The weights of the evaluation with the lowest validation error are kept, not those of the last step. It needs
    validation images, because test images choose nothing."""
    tta: Annotated[bool, EVALUATION] = False
    """At the end, test-time augmentation averages over mirrored and shifted views, or over ten crops."""
    watch_propagation: Annotated[int | None, COUNT, EVALUATION] = None
    """The signal through the junctions is measured before the first step and then each time this many steps have
    passed; none measures nothing."""

    precision: Annotated[Literal["auto", "bf16", "tf32", "fp32", "fp64"], MACHINE] = "auto"
    """Steps compute with bf16 autocast, in tf32 (NVIDIA's GPUs since Ampere), in fp32 (IEEE float32 on all devices),
    or in fp64 for comparisons; auto means bf16 where the device is fast at it and the network tolerates it, else
    tf32 where the device has it, and else fp32."""
    activation_checkpointing: Annotated[Literal["auto", "fast", "small"], MACHINE] = "auto"
    """All activations are stored for the backward pass (fast), or most are computed again (small), so that memory
    grows with the square root of the depth; auto means fast where that fits. The weights are the same."""
    capture: Annotated[bool, MACHINE] = True
    """On one GPU, a step is captured as a CUDA graph and repeated by a single call, where that is possible. The
    weights are the same."""
    compile: Annotated[bool, MACHINE] = False
    """Training steps compute with units that torch.compile has compiled, which takes time before the first step. It
    needs a C++ compiler on a CPU and Triton on a GPU. The weights differ by rounding and by what dropout draws."""
    cudnn_benchmark: Annotated[bool, MACHINE] = True
    """On a GPU, cuDNN times its kernels in the first steps and takes the quickest; without it, it always takes the
    same ones, which a resumed run needs to end with the same bits."""
    checkpoint_every: Annotated[int | None, COUNT, MACHINE] = None
    """A checkpoint is written each time this many steps have passed, and at least every 10 minutes; none: whenever
    the last one took less than 1 % of the time since it. One is written at the end in any case."""
    device: Annotated[str, MACHINE] = "auto"
    """The device is auto or one of torch's, such as cpu or cuda:1."""

    def __post_init__(self) -> None:
        check_fields(self)
        # Which options there are depends on the design, which is known where the network is built (models/registry.py).
        options = {name: check_option(name, value) for name, value in self.model_options.items()}
        object.__setattr__(self, "model_options", options)
        _check_together(self)

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as recipe.json holds it, with its format number."""
        return {**to_json(self), "format": RECIPE_FORMAT}


FIELDS: dict[str, Any] = annotations_of(Recipe)


def with_changes(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """Return `recipe` with fields and model options changed; a new length in one unit clears the other.

    New weights bring their network with them, unless a network is named beside them.

    Args:
        recipe: the recipe to start from; it stays as it is.
        changes: new values by name. A name is a field of the recipe, an option in models/options.py, or, for a
            design of the user's own, any option of it. None takes a model option away, so that it gets its default.

    Raises:
        UsageError: a name does not exist, or a value does not fit; the message has the nearest name.
    """
    changes = dict(changes)
    for name, other in (("epochs", "steps"), ("steps", "epochs")):
        if changes.get(name) is not None:
            changes.setdefault(other, None)
    if changes.get("weights") is not None and changes.get("model") is None:
        changes = {"model": None, "design": None, "model_options": {}} | changes
    own_design = is_own_design(changes.get("design", recipe.design))
    options = dict(changes.pop("model_options", recipe.model_options))
    for name in [name for name in changes if name not in FIELDS]:
        if name not in OPTIONS and not own_design:
            raise unknown("recipe field", name, [*FIELDS, *OPTIONS])
        options[name] = changes.pop(name)
    options = {name: value for name, value in options.items() if value is not None}
    return replace(recipe, **changes, model_options=options)


def recipe_from_json(record: Mapping[str, Any], origin: str = "recipe.json") -> Recipe:
    """Return the recipe in `record`, of this format or an older one; absent fields get their defaults.

    Args:
        record: what `Recipe.to_json` returns.
        origin: the file that holds the record, for the message.

    Raises:
        FileFormatError: the record is of a newer format, or a field is unknown, missing, ill-typed or does not
            fit; the message names `origin` and the field.
    """
    current = upgrade_recipe(record, origin)
    del current["format"]
    try:
        return from_json(Recipe, current)
    except UsageError as error:
        raise FileFormatError(f"{origin}: {error}") from error


def read_recipe(path: Path) -> Recipe:
    """Return the recipe in a file, or in the recipe.json of a run's folder. Raises FileFormatError."""
    path = user_path(path)
    file = path / "recipe.json" if path.is_dir() else path
    return recipe_from_json(read_json(file), str(file))


def read_stored_recipe(folder: RunFolder) -> Recipe:
    """Return the recipe in a run's folder.

    Raises:
        RunError: there is no run in the folder.
        FileFormatError: its recipe.json is of a newer format or damaged.
    """
    return recipe_from_json(folder.read_recipe(), str(folder.recipe))


def _check_together(recipe: Recipe) -> None:
    """Raise UsageError for fields that are valid alone and not together."""
    if recipe.model is None and recipe.weights is None:
        raise UsageError("a recipe needs a network: give model or weights")
    if recipe.model is None and (recipe.design is not None or recipe.model_options):
        raise UsageError(
            "the design and its options are stored with the weights; leave them out, or give model too"
        )
    if recipe.epochs is None and recipe.steps is None:
        raise UsageError("a recipe needs a length: give epochs or steps")
    if recipe.epochs is not None and recipe.steps is not None:
        raise UsageError(
            f"a recipe has one length, not epochs {recipe.epochs:g} and steps {recipe.steps}; set one of them "
            "to None, as resunit.training.recipe.with_changes does"
        )
    if recipe.crop == "shift" and recipe.colour:
        raise UsageError("colour needs crops of files; give crop scale or scale-aspect too")
    if recipe.crop != "shift" and recipe.padding:
        raise UsageError(f"crop {recipe.crop} takes no padding; give padding 0 too")
    if recipe.crop != "shift" and recipe.normalisation == "pixel":
        raise UsageError(f"crop {recipe.crop} reads images of many sizes; give normalisation channel too")
    if recipe.sampling == "balanced" and recipe.class_weights == "balanced":
        raise UsageError("sampling and class_weights both make up for classes of different sizes; give one")
    if recipe.nesterov and recipe.momentum == 0:
        raise UsageError("nesterov needs a momentum above 0")
    if recipe.evaluation_images is not None and (recipe.patience is not None or recipe.keep_best):
        raise UsageError("patience and keep_best need evaluations on all images; leave out evaluation_images")
    for name in ("milestones", "resize_ends"):
        if not _ascends(getattr(recipe, name)):
            raise UsageError(f"{name} must ascend, unlike {getattr(recipe, name)}")
    if len(recipe.resize_scales) != len(recipe.resize_ends):
        raise UsageError(
            "resize_scales and resize_ends go together: give as many ends as scales, not "
            f"{len(recipe.resize_ends)} for {len(recipe.resize_scales)}"
        )


def _ascends(numbers: Iterable[float]) -> bool:
    return all(one <= other for one, other in pairwise(numbers))
