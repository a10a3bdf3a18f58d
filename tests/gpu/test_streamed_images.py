"""Images that stay on disk reach a GPU through pinned memory, and train it bit for bit the same twice."""

from pathlib import Path

import pytest
import torch

import resunit
from resunit.data import stream
from resunit.training.recipe import with_changes
from resunit.training.recipes import named_recipe
from tests.data.photographs import write_photographs

pytestmark = pytest.mark.gpu


def test_decoded_images_lie_in_pinned_memory(tmp_path: Path) -> None:
    split = stream(str(write_photographs(tmp_path / "photos")), image_size=28).test
    plain, pinned = (next(each.pictures(torch.arange(6))) for each in (split, split.to("cuda")))
    assert (plain.is_pinned(), pinned.is_pinned()) == (False, True)
    assert torch.equal(plain, pinned)


def test_equal_runs_have_equal_bits(tmp_path: Path) -> None:
    changes = {
        "data": str(write_photographs(tmp_path / "photos", train=6)), "model": "preresnet20", "image_size": 28,
        "steps": 12, "batch_size": 12, "ghost_batch_size": 6, "cudnn_benchmark": False, "device": "cuda",
    }  # fmt: skip
    for name in ("one", "other"):
        resunit.train(with_changes(named_recipe("imagenet"), changes), out=tmp_path / name, quiet=True)
    one, other = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("one", "other"))
    assert one == other
