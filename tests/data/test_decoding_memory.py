"""Large images wait for each other while they are decoded, and one that does not fit at all is named."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from PIL import Image

from resunit.data import decoding_memory, read_images
from resunit.data.decoding_memory import BYTES_PER_PIXEL, USABLE_SHARE, DecodingMemory
from resunit.errors import DataError
from tests.patience import PATIENCE

SIDE = 2000
NEED = SIDE * SIDE * BYTES_PER_PIXEL


def free_for(images: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding_memory, "free_memory", lambda: int(images * NEED / USABLE_SHARE) + 1)


@pytest.mark.parametrize("fitting", [1, 3])
def test_no_more_images_than_fit_are_decoded_at_once(fitting: int, monkeypatch: pytest.MonkeyPatch) -> None:
    free_for(fitting, monkeypatch)
    memory, lock, inside, most = DecodingMemory(), threading.Lock(), 0, 0
    everyone = threading.Barrier(fitting)

    def decode() -> None:
        nonlocal inside, most
        with memory.reserved(SIDE, SIDE, "RGB"):
            with lock:
                inside += 1
                most = max(most, inside)
            everyone.wait(timeout=PATIENCE)  # As many as fit are inside together.
            with lock:
                inside -= 1

    threads = [threading.Thread(target=decode) for _ in range(3 * fitting)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=PATIENCE)
    assert not any(thread.is_alive() for thread in threads)
    assert most == fitting


def test_small_images_ask_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    free_for(0, monkeypatch)
    with DecodingMemory().reserved(1000, 1000, "RGB"):
        pass


def test_an_image_that_does_not_fit_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (SIDE, SIDE)).save(tmp_path / "large.png")
    free_for(0.9, monkeypatch)
    with pytest.raises(DataError, match=r"large\.png: .*GiB"):
        read_images([tmp_path / "large.png"], 32)
    free_for(1, monkeypatch)
    assert read_images([tmp_path / "large.png"], 32).shape == (1, 3, 32, 32)


@pytest.mark.full
def test_scans_are_decoded_within_the_memory_that_is_free(tmp_path: Path) -> None:
    """Eight grey scans of 40 megapixels take 5 bytes a pixel each; one fits at a time."""
    pixels, mebibyte = 8000 * 5000, 1 << 20
    for index in range(8):
        Image.new("L", (8000, 5000), index).save(tmp_path / f"{index}.png")
    program = f"""
import os, resource
from concurrent import futures
from pathlib import Path
from resunit.data import images
from resunit.io import memory
images.ThreadPoolExecutor = lambda: futures.ThreadPoolExecutor(8)
os.environ[memory.MEMORY] = str({int(pixels * BYTES_PER_PIXEL / USABLE_SHARE) + mebibyte})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = images.read_images(sorted(Path({str(tmp_path)!r}).glob("*.png")), 32)
assert [image.float().mean().item() for image in found] == list(range(8))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 2 * 5 * pixels
