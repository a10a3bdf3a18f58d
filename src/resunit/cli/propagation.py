"""`resunit propagation`: does the signal pass directly?"""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from resunit.cli.app import COMMON, DONE, Common, app, tell_json

propagation_app = App(
    name="propagation",
    help="Find the junctions h(x) + F(x) of a network and measure the signal through them.",
    help_format="plaintext",
    help_epilogue="Examples:\n"
    "  resunit propagation preresnet110\n"
    "  resunit propagation resnet110 preresnet110 --out both.html\n"
    "  resunit propagation runs/quick-1 --also lesion\n"
    "  resunit propagation mymodels:make_network --json",
)
app.command(propagation_app)


@propagation_app.default
def propagation(
    network: str,
    beside: str | None = None,
    *,
    design: str | None = None,
    data: str | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    also: Annotated[list[Literal["lesion", "jacobian", "correlation"]] | None, Parameter(negative="")] = None,
    out: Path | None = None,
    common: Common = COMMON,
) -> int:
    """Say where the direct path of a network is scaled, gated, truncated or broken.

    Parameters
    ----------
    network
        A name that `resunit models` lists, a run's folder, or MODULE:CALLABLE that returns a network, or it
        with inputs, or with inputs and targets.
    beside
        A second network to compare it with.
    design
        A row of the paper's Tables 1 and 2, for networks given by name.
    data
        Whose training images to measure with; by default those of the run, else cifar10-sample.
    batch_size
        How many images.
    seed
        Of the choice of images, and of the weights of networks given by name.
    also
        Measures that take longer: lesion, jacobian, correlation; repeatable.
    out
        A picture to draw: .png, .pdf, .svg, or .html for an interactive page.
    """
    from resunit.inference.subjects import draw, find_subject, measured

    options = {"data": data, "batch_size": batch_size, "seed": seed}
    subjects = [
        find_subject(target, design=design, **options) for target in (network, beside) if target is not None
    ]
    results = [measured(subject, also or ()) for subject in subjects]
    picture = None if out is None else draw(results, out)
    if common.json:
        records = [result.to_record() for result in results]
        tell_json(records[0] if beside is None else records)
    else:
        for subject, result in zip(subjects, results, strict=True):
            print(f"{subject.name}, on {subject.note}")
            for finding in result.findings:
                print(f"  - {finding}")
        if picture is not None:
            print(picture)
    return DONE


@propagation_app.command(help_epilogue="Example:\n  resunit propagation designs --out designs/")
def designs(
    model: str = "resnet110",
    *,
    steps: int = 200,
    data: str = "cifar10",
    batch_size: int = 64,
    seed: int = 0,
    out: Path = Path("designs"),
    records: Path | None = None,
    common: Common = COMMON,
) -> int:
    """Measure every design of the paper before and after some training, and draw them in one picture.

    Parameters
    ----------
    model
        The network that takes each design.
    steps
        Training steps before the second measurement.
    data
        cifar10, cifar100, cifar10-sample, or a folder of images in class folders.
    batch_size
        Images a step; up to 64 of them are measured with.
    seed
        Of weights, order and augmentation.
    out
        The folder for runs, records and designs.png. The same command goes on where it was interrupted.
    records
        Experiments, a JSON line each (results/reproduce-mini.jsonl), to draw what they measured at steps 0
        and --steps instead of training; of each design the lowest seed.
    """
    from resunit.reproduction.signal import measure_designs
    from resunit.reproduction.signal_figure import missing, save_figure
    from resunit.reproduction.signal_records import recorded_designs

    picture = out / "designs.png"
    if records is not None:
        recorded = recorded_designs(records, model, steps=steps, data=data)
        out.mkdir(parents=True, exist_ok=True)
        save_figure(recorded, steps, picture)
        designs = recorded.values()
    else:
        options = {"steps": steps, "data": data, "batch_size": batch_size, "seed": seed}
        designs = measure_designs(model, **options, out=out, quiet=common.json)
    shown = []
    for record in designs:
        shown.append(record)
        if not common.json:
            print(f"{record['design']:28} {record['status']}")
    absent = missing({record["design"]: record for record in shown})
    if common.json:
        tell_json({"picture": str(picture), "designs": shown, "missing": absent})
    else:
        for design in absent:
            print(f"{design:28} missing")
        print(picture)
    return DONE
