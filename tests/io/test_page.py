import json
import re

from plotly.graph_objects import Figure

from resunit.io.page import render_page, render_sentence

EMPTY = {
    "title": "<b>runs</b>",
    "comparisons": (),
    "claims": (),
    "tally": "",
    "later": (),
    "about_later": "",
    "plots": (),
    "costs": (),
    "units": (),
    "hours": 0.0,
    "compared": None,
    "measurements": None,
    "recorded": None,
}


def test_backticks_become_code_and_markup_does_not() -> None:
    assert render_sentence("a <b> `c <d>`") == "a &lt;b&gt; <code>c &lt;d&gt;</code>"


def test_texts_are_escaped_and_a_page_without_figures_carries_no_script() -> None:
    page = render_page("runs.html", package="resunit.reports", figures={}, **EMPTY)
    assert "<title>&lt;b&gt;runs&lt;/b&gt;</title>" in page
    assert "<script" not in page


def test_what_a_terminal_cannot_show_is_written_out() -> None:
    page = render_page(
        "runs.html", package="resunit.reports", figures={}, **EMPTY | {"title": "caf\udce9 \x1b[31m"}
    )
    assert r"<title>caf\xe9 \x1b[31m</title>" in page
    assert render_sentence("`\x07`") == r"<code>\x07</code>"


def test_no_text_in_a_figure_ends_its_element() -> None:
    figure = Figure().update_layout(title="</script><script>alert(1)</script>")
    page = render_page("runs.html", package="resunit.reports", figures={"spread": figure}, **EMPTY)
    holder = re.search(r'id="spread"><script type="application/json">(.*?)</script>', page, re.DOTALL)
    assert holder is not None
    assert json.loads(holder[1])["layout"]["title"]["text"] == "</script><script>alert(1)</script>"
