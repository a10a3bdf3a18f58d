"""The explorable page: one file with sliders, in two languages.

measured.json holds what was measured of fresh networks; `python -m tools.explorable_networks` writes it. Nothing here
imports torch, so that the page is written at once.
"""

import json
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

from resunit.io.atomic import make_folder, write_atomically
from resunit.io.page import render_page
from resunit.reproduction.argument.formula import with_indices

PACKAGE = "resunit.reproduction.explorable"
Language = Literal["en", "ko"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

SHORTCUTS = (
    "identity", "constant-scaling", "shortcut-only-gating", "exclusive-gating", "conv-shortcut", "dropout-shortcut",
)  # fmt: skip

# What the buttons above the sliders set; texts/*.toml say what there is to see.
EXAMPLES: Mapping[str, Mapping[str, object]] = {
    "identity": {"units": 54, "shortcut": "identity", "placement": "full-preactivation"},
    "half": {"units": 54, "shortcut": "constant-scaling", "lambda": 0.5, "placement": "full-preactivation"},
    "nearly": {"units": 54, "shortcut": "constant-scaling", "lambda": 0.9, "placement": "full-preactivation"},
    "more": {"units": 54, "shortcut": "constant-scaling", "lambda": 1.1, "placement": "full-preactivation"},
    "gate": {"units": 54, "shortcut": "shortcut-only-gating", "bias": 0, "placement": "full-preactivation"},
    "exclusive": {"units": 54, "shortcut": "exclusive-gating", "bias": -6, "placement": "full-preactivation"},
    "relu": {"units": 54, "shortcut": "identity", "placement": "original"},
    "depth": {"units": 333, "shortcut": "identity", "placement": "full-preactivation"},
}


def write_page(path: Path, language: Language = "en") -> None:
    """Write the page, one file that needs no internet connection; it opens in `language`. Raises WriteError."""
    make_folder(path.parent)
    write_atomically(path, render(language).encode())


def render(language: Language = "en") -> str:
    """Return the page as HTML."""
    texts = {code: read_words(code) for code in LANGUAGES}
    content = read_document() | {
        "texts": texts,
        "language": language,
        "examples": {name: {"sizes": "one_size", **settings} for name, settings in EXAMPLES.items()},
    }
    return render_page(
        "explore.html",
        package=PACKAGE,
        figures={},
        content=content,
        texts=texts,
        language=language,
        shortcuts=SHORTCUTS,
        examples=EXAMPLES,
    )


def read_document() -> dict[str, Any]:
    """Return the content of measured.json as plain values."""
    return json.loads((resources.files(PACKAGE) / "measured.json").read_text("utf-8"))


def read_words(language: Language) -> dict[str, str]:
    """Return the words of the page as HTML, by key."""
    text = (resources.files(PACKAGE) / "texts" / f"{language}.toml").read_text("utf-8")
    return {key: with_indices(words) for key, words in tomllib.loads(text).items()}
