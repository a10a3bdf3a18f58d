"""`resunit propagation`: does the signal pass directly?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from resunit.cli.app import COMMON, DONE, Common, app, tell, tell_json
from resunit.cli.options import LEFT_OVER, model_options, own_design_options, split_arguments
from resunit.cli.own_design import import_design_of
from resunit.errors import UsageError
from resunit.io.progress import working

if TYPE_CHECKING:
    from resunit.propagation import Propagation

ModelOptions = model_options()
NONE_GIVEN = ModelOptions()


@app.command(
    help_epilogue="Examples:\n"
    "  resunit propagation preresnet110\n"
    "  resunit propagation resnet110 preresnet110 --out both.html\n"
    "  resunit propagation resnet110 --design constant-scaling --shortcut-scale 0.9\n"
    "  resunit propagation runs/quick-1 --also lesion\n"
    "  resunit propagation imagenet\n"
    "  resunit propagation mymodels:make_network --json"
)
def propagation(
    network: str,
    *beside: Annotated[str, LEFT_OVER, Parameter(show=True)],
    design: str | None = None,
    data: str | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    also: Annotated[list[Literal["lesion", "jacobian", "correlation"]] | None, Parameter(negative="")] = None,
    out: Path | None = None,
    options: ModelOptions = NONE_GIVEN,  # pyright: ignore[reportInvalidTypeForm]
    common: Common = COMMON,
) -> int:
    """Find the junctions h(x) + F(x) of a network, and say where its signal is scaled, gated, truncated or blocked.

    The options of designs and networks apply to networks given by name.

    Args:
        network: A name that `resunit models` lists, a run's folder, a weights.safetensors file, "imagenet" for the
            published ResNet-50, or MODULE:CALLABLE. The callable returns a network, a network with inputs, or a
            network with inputs and targets.
        beside: A second network to compare with the first.
        design: A row of the paper's Tables 1 and 2, a later design, or MODULE:CLASS, for networks given by
            name.
        data: Measure with training images of this data set; by default the run's own, else cifar10-sample.
        batch_size: Measure with this many images; by default 64, or 8 for images of 224 pixels.
        seed: The seed determines the choice of images, the weights of networks given by name, and the masks
            of dropout.
        also: Take these measures too, which need more time: lesion, jacobian, correlation; repeatable.
        out: Draw a picture into this file: .png, .pdf, .svg, or .html for an interactive page.
    """
    from resunit.inference.subjects import draw_measurements, find_subject, measure_subject

    others, own = split_arguments(beside)
    if len(others) > 1:
        raise UsageError(f"propagation compares two networks at most, not {len(others) + 1}")
    chosen = options.changes() | own_design_options(design, own, app["propagation"])
    targets = (network, *others)
    for target in targets:
        import_design_of(Path(target))
    subjects = [
        find_subject(target, design=design, data=data, batch_size=batch_size, seed=seed, options=chosen)
        for target in targets
    ]
    with working(f"measuring {' and '.join(targets)}", shown=not common.json):
        results = [measure_subject(subject, also or ()) for subject in subjects]
        picture = None if out is None else draw_measurements(results, out)
    if common.json:
        records = [result.to_record() for result in results]
        tell_json(records if others else records[0])
    else:
        for subject, result in zip(subjects, results, strict=True):
            _tell(subject.name, subject.note, result)
        if picture is not None:
            tell(str(picture))
    return DONE


def _tell(name: str, note: str, result: "Propagation") -> None:
    tell(f"{name}, on {note}")
    tell(f"  {result.verdict.sentence}")
    for sentence in result.evidence:
        tell(f"  - {sentence}")
    if result.remedies:
        tell("  What to change:")
    for sentence in result.remedies:
        tell(f"  - {sentence}")
    tell(f"  {result.summary}")
