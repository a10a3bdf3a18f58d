"""`python -m tests.gpu`: run the tests that need a GPU, or say in one line that there is none."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path


def main() -> int:
    if find_spec("torch") is None:
        print(f"{sys.executable} has no torch, so no GPU can be used and nothing is tested; give PYTHON=...")
        return 0
    import torch

    if not torch.cuda.is_available():
        print("there is no GPU here that torch can use, so nothing is tested")
        return 0
    import pytest

    os.environ["TESTS_ON_GPU"] = "1"  # for tests/conftest.py, which hides GPUs from all other tests
    # The options in pyproject.toml would leave these tests out, and need plugins that they can do without.
    options = "addopts=--import-mode=importlib --strict-markers --durations=5"
    return int(pytest.main(["-o", options, "-m", "gpu", str(Path(__file__).parent)]))


if __name__ == "__main__":
    sys.exit(main())
