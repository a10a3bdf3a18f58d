"""Equal figures give equal bytes, on any day."""

import pytest
from matplotlib.figure import Figure

from resunit.io.figure_bytes import encode_figure


def drawn() -> Figure:
    figure = Figure(figsize=(2, 1))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], label="a line")
    axes.legend()
    return figure


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_equal_figures_give_equal_bytes(kind: str) -> None:
    content = encode_figure(drawn(), kind, 50)
    assert encode_figure(drawn(), kind, 50) == content
    for word in (b"matplotlib.org", b"Matplotlib v", b"CreationDate", b"dc:date"):
        assert word not in content
