"""What an installed resunit says about itself."""

from importlib import metadata, resources
from pathlib import Path

import pytest

import resunit

ROOT = Path(__file__).parents[1]


def test_the_version_has_one_source() -> None:
    assert metadata.version("resunit") == resunit.__version__
    assert f"\nversion: {resunit.__version__}\n" in (ROOT / "CITATION.cff").read_text()


@pytest.mark.parametrize(
    "file",
    [
        "py.typed",
        "data/cifar/cifar10_sample/test.bin",
        "io/templates/shell.html",
        "models/table.json",
        "ops/cpu/batch_norm.cpp",
        "ops/cpu/convolution.cpp",
        "reports/templates/run.html",
        "reproduction/argument/statements.toml",
        "reproduction/explorable/measured.json",
        "reproduction/explorable/templates/formulas.js",
        "reproduction/explorable/texts/ko.toml",
    ],
)
def test_the_package_holds_what_it_reads(file: str) -> None:
    assert (resources.files("resunit") / file).is_file()
