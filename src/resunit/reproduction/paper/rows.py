"""The rows of the paper's tables as data: the network that each row trains, and the error that the paper measured."""

from dataclasses import dataclass, replace
from typing import Literal

from resunit.models.designs import DESIGNS
from resunit.reproduction.paper.networks import NetworkChoice, network

FAIL = "fail"
"""The paper's word for a test error above 20 %."""


@dataclass(frozen=True)
class Row:
    """A row of a table, or a curve of a figure.

    Attributes:
        id: the row's name on the command line and in records.
        label: the row's name in the table.
        network: the network; None for another paper's method, whose error is quoted and which is not run.
        published: the paper's test error in percent (top-1 on ImageNet), "fail", or None without a number.
        data: the data set; None for a folder of images that the user names.
        recipe: which of the two recipes in scales.py the row has.
        published_top5: the paper's top-5 error in percent, on ImageNet.
        crop: how training images are cropped, as in `Recipe.crop`.
        large_crop: whether tests use crops of 320 pixels of images of 320, and not 224 of 256.
    """

    id: str
    label: str
    network: NetworkChoice | None
    published: float | Literal["fail"] | None
    remark: str = ""
    data: str | None = "cifar10"
    recipe: Literal["paper", "fb-half-batch"] = "paper"
    published_top5: float | None = None
    crop: Literal["shift", "scale", "scale-aspect"] = "shift"
    large_crop: bool = False

    @property
    def own_network(self) -> NetworkChoice:
        """The network of a row that is run."""
        assert self.network is not None
        return self.network


PLACEMENTS = {
    "original": "original (a)",
    "bn-after-addition": "BN after addition (b)",
    "relu-before-addition": "ReLU before addition (c)",
    "relu-only-preactivation": "ReLU-only pre-activation (d)",
    "full-preactivation": "full pre-activation (e)",
}


def _shortcut(
    name: str, label: str, design: str, error: float | Literal["fail"], remark: str = "", **options: float
) -> Row:
    return Row(name, label, network("resnet110", design, **options), error, remark)


# Table 1 (section 3.1): ResNet-110, f = ReLU; the paper has the median of 5 runs.
SHORTCUTS = (
    _shortcut("original", "original", "original", 6.61),
    _shortcut("plain", "scaling: shortcut 0, branch 1", "plain", FAIL, "a plain net"),
    _shortcut("scaling-0.5-1", "scaling: shortcut 0.5, branch 1", "constant-scaling", FAIL,
              shortcut_scale=0.5, branch_scale=1.0),
    _shortcut("scaling-0.5-0.5", "scaling: shortcut 0.5, branch 0.5", "constant-scaling", 12.35, "frozen gating",
              shortcut_scale=0.5, branch_scale=0.5),
    _shortcut("exclusive-gating-0", "exclusive gating, bias 0", "exclusive-gating", FAIL, "the paper: biases 0 to -5",
              gate_bias=0.0),
    _shortcut("exclusive-gating-6", "exclusive gating, bias -6", "exclusive-gating", 8.70, gate_bias=-6.0),
    _shortcut("exclusive-gating-7", "exclusive gating, bias -7", "exclusive-gating", 9.81, gate_bias=-7.0),
    _shortcut("shortcut-only-gating-0", "shortcut-only gating, bias 0", "shortcut-only-gating", 12.86, gate_bias=0.0),
    _shortcut("shortcut-only-gating-6", "shortcut-only gating, bias -6", "shortcut-only-gating", 6.91, gate_bias=-6.0),
    _shortcut("conv-shortcut", "1x1 convolution", "conv-shortcut", 12.22),
    _shortcut("dropout-shortcut", "dropout 0.5", "dropout-shortcut", FAIL),
)  # fmt: skip


def _placements(depth: int, errors: tuple[float, ...]) -> tuple[Row, ...]:
    return tuple(
        Row(f"{depth}-{design}", f"ResNet-{depth}, {words}", network(f"resnet{depth}", design), error)
        for (design, words), error in zip(PLACEMENTS.items(), errors, strict=True)
    )


ACTIVATIONS = (
    *_placements(110, (6.61, 8.17, 7.84, 6.71, 6.37)),
    *_placements(164, (5.93, 6.50, 6.14, 5.91, 5.46)),
)


def _pair(depth: str, original: float, preactivation: float, data: str = "cifar10") -> tuple[Row, Row]:
    name = f"resnet{depth}"
    prefix, where = (depth, "") if data == "cifar10" else (f"{data}-{depth}", f" ({data})")
    preact = network(name, "full-preactivation")
    return (
        Row(f"{prefix}-original", f"ResNet-{depth}, original{where}", network(name), original, data=data),
        Row(
            f"{prefix}-preactivation",
            f"ResNet-{depth}, pre-activation{where}",
            preact,
            preactivation,
            data=data,
        ),
    )


DEPTHS = (
    *_pair("110-1layer", 9.90, 8.91),
    *_pair("110", 6.61, 6.37),
    *_pair("164", 5.93, 5.46),
    *_pair("1001", 7.61, 4.92),
    *_pair("164", 25.16, 24.33, "cifar100"),
    *_pair("1001", 27.82, 22.71, "cifar100"),
)

OF_DEPTHS = {row.id: row for row in DEPTHS}

OTHERS = {  # CIFAR-10, CIFAR-100
    "NIN": (8.81, 35.68),
    "DSN": (8.22, 34.57),
    "FitNet": (8.39, 35.04),
    "Highway": (7.72, 32.39),
    "All-CNN": (7.25, 33.71),
    "ELU": (6.55, 24.28),
    "FitResNet-LSUV": (5.84, 27.66),
}


def _others(data: str, column: int) -> tuple[Row, ...]:
    return tuple(
        Row(f"{data}-{name}", f"{name} ({data})", None, errors[column], "another paper's method", data)
        for name, errors in OTHERS.items()
    )


STATE_OF_THE_ART = (
    *_others("cifar10", 0),
    Row("110-original", "ResNet-110", network("resnet110"), 6.61),
    Row("1202-original", "ResNet-1202", network("resnet1202"), 7.93),
    OF_DEPTHS["164-preactivation"],
    replace(OF_DEPTHS["1001-preactivation"], remark="4.89 ± 0.14"),
    Row("1001-preactivation-half", "ResNet-1001, pre-activation, half the batch",
        network("resnet1001", "full-preactivation"), 4.62, "recipe fb, in the paper 200 epochs; 4.69 ± 0.20",
        recipe="fb-half-batch"),
    *_others("cifar100", 1),
    OF_DEPTHS["cifar100-164-preactivation"],
    replace(OF_DEPTHS["cifar100-1001-preactivation"], remark="22.68 ± 0.22"),
)  # fmt: skip


def _imagenet(
    depth: int,
    design: str,
    published: tuple[float, float],
    test_crop: Literal[224, 320] = 320,
    crop: Literal["scale", "scale-aspect"] = "scale",
    remark: str = "",
) -> Row:
    named = {"full-preactivation": "pre-activation", "bn-after-addition": "BN after addition"}
    words = named.get(design, design)
    return Row(
        f"{depth}-{words.lower().replace(' ', '-')}-{crop}-{test_crop}",
        f"ResNet-{depth}, {words}, {crop.replace('-aspect', ' and aspect ratio')}, crop {test_crop}",
        network(f"resnet{depth}", design),
        published[0],
        remark,
        data=None,
        published_top5=published[1],
        crop=crop,
        large_crop=test_crop == 320,
    )


IMAGENET = (
    _imagenet(152, "original", (23.0, 6.7), test_crop=224),
    _imagenet(152, "original", (21.3, 5.5)),
    _imagenet(152, "full-preactivation", (21.1, 5.5)),
    _imagenet(200, "original", (21.8, 6.0)),
    _imagenet(200, "full-preactivation", (20.7, 5.3)),
    _imagenet(200, "full-preactivation", (20.1, 4.8), crop="scale-aspect"),
    Row("inception-v3", "Inception v3, scale and aspect ratio, crop 299", None, 21.2, "another paper's method",
        data=None, published_top5=5.6),
    _imagenet(101, "original", (23.6, 7.1), test_crop=224, remark="in the paper's text"),
    _imagenet(101, "bn-after-addition", (24.6, 7.5), test_crop=224, remark="in the paper's text"),
)  # fmt: skip

# The claim that 1x1 shortcuts hurt where units are many needs the same two designs with few units.
FEW_UNITS = (
    Row("20-original", "ResNet-20, original", network("resnet20"), None),
    Row("20-conv-shortcut", "ResNet-20, 1x1 convolution", network("resnet20", "conv-shortcut"), None),
)

# Designs later than the paper stand beside the two units of Fig. 1.
LATER_REFERENCES = (
    Row("original", PLACEMENTS["original"], network("resnet110"), 6.61),
    Row("full-preactivation", PLACEMENTS["full-preactivation"], network("resnet110", "full-preactivation"), 6.37),
)  # fmt: skip
LATER_DESIGNS = tuple(
    Row(design, label, network("resnet110", design), None, source)
    for design, label, source in (
        ("rezero", "ReZero", "Bachlechner et al. 2020"),
        ("skipinit", "SkipInit, no batch norm", "De and Smith 2020"),
        ("layer-scale", "LayerScale, 1e-5", "Touvron et al. 2021"),
        ("stochastic-depth", "stochastic depth, the last unit kept at 0.5", "Huang et al. 2016"),
    )
)

# The signal is measured in every design of the paper, each with the default values of its options.
DESIGNS_OF_THE_PAPER = tuple(
    Row(name, name, network("resnet110", name), None)
    for name, design in DESIGNS.items()
    if design.of_the_paper
)
