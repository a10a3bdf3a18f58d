"""What importing and help load; which room imports which is import-linter's to check (pyproject.toml)."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "arguments", [["--help"], ["train", "--help"], ["reproduce", "--help"], ["propagation", "--help"]]
)
def test_help_imports_no_torch(arguments: list[str]) -> None:
    code = f"import sys; from resunit.cli import main; main({arguments!r}); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_importing_resunit_imports_no_torch() -> None:
    code = "import resunit, sys; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
