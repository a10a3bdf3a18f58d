"""`resunit explore`: the paper's argument as a page with sliders."""

from pathlib import Path
from typing import Literal

from resunit.cli.app import COMMON, Common, answer, app, page_path


@app.command(
    help_epilogue="Examples:\n  resunit explore\n  resunit explore --language ko --out explore-ko.html"
)
def explore(
    *, out: Path = Path("explore.html"), language: Literal["en", "ko"] = "en", common: Common = COMMON
) -> int:
    """Write a page with sliders on which the paper's argument can be played with.

    It shows how the signal and the gradient pass along the shortcuts, by the formulas of the paper and in
    networks that were measured. The page is one file, and a browser opens it without a network.

    Args:
        out: The page, a file that ends in .html.
        language: The language that the page opens in, English or Korean; both are in it.
    """
    from resunit.reproduction.explorable.page import write_page

    path = page_path(out, ".html")
    write_page(path, language)
    return answer(common, {"page": str(path), "language": language}, str(path))
