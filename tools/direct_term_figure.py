"""Draw docs/direct-term.png, the paper's designs at initialisation: python -m tools.direct_term_figure

The table "designs" of docs/propagation.md has the numbers of the same networks and images.
"""

import io
from pathlib import Path

import torch
from matplotlib.figure import Figure

from resunit.inference.subjects import find_subject, measure_subject
from resunit.io.atomic import write_atomically
from resunit.models.designs import DESIGNS
from resunit.reproduction.figures.signal import DRAWN_MEASURES, Measured
from resunit.reproduction.figures.signal_figure import DIRECT_TERMS, FLOOR, STROKES, Panel, draw_pairs

PICTURE = Path(__file__).parent.parent / "docs" / "direct-term.png"
NETWORK = "resnet110"


def signal_of(design: str) -> tuple[Measured, str]:
    """Return the drawn measures of a design at each unit, and where the images are from."""
    torch.manual_seed(0)  # of dropout
    subject = find_subject(NETWORK, design=design)
    junctions = measure_subject(subject).junctions
    values = {name: tuple(getattr(junction, name) for junction in junctions) for name in DRAWN_MEASURES}
    return values, subject.note


def main() -> None:
    """Measure every design of the paper and write the picture."""
    signals = {design: signal_of(design) for design, row in DESIGNS.items() if row.of_the_paper}
    values = {design: measures for design, (measures, _) in signals.items()}
    (note,) = {note for _, note in signals.values()}
    alone, with_f = (Panel(measure, "at initialisation", values) for measure in DIRECT_TERMS)
    drawing = Figure(figsize=(13, 1 + 2.5 * len(STROKES)), layout="constrained")
    draw_pairs(drawing, [(alone, with_f)], {design: design for design in signals})
    drawing.suptitle(
        f"{NETWORK} in the paper's designs on {note}; zero, and what is below {FLOOR:g}, is drawn at {FLOOR:g}",
        fontsize=11,
    )
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="png", dpi=110)
    write_atomically(PICTURE, buffer.getvalue())
    print(PICTURE)


if __name__ == "__main__":
    main()
