import re
from importlib import resources

from resunit.io.style import FONT


def test_figures_have_the_fonts_of_the_page() -> None:
    css = (resources.files("resunit.io") / "templates" / "page.css").read_text()
    found = re.search(r"--sans: (.*?);", css)
    assert found is not None
    assert found[1].replace('"', "'") == FONT
