"""The memory for decoding: large images wait for each other, so that together they stay below what is free."""

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from resunit.io.memory import free_memory

BYTES_PER_PIXEL = (
    12  # Pillow takes 4 in RGB, as many to turn an image, and decoders have buffers of their own.
)
BYTES_PER_CONVERTED_PIXEL = 24  # Alpha and deep values take more while they are converted.
PLAIN_MODES = ("1", "L", "RGB", "CMYK", "YCbCr")
SMALL_IMAGE_PIXELS = 1 << 20  # Smaller images are decoded without asking: they take 12 MiB a thread.
USABLE_SHARE = 0.7  # The rest of the free memory is for what other programs take in the meantime.


class DecodingMemory:
    """The memory that the threads of this process share to decode images.

    Args:
        processes: how many processes of this machine decode at once.
    """

    def __init__(self, processes: int = 1):
        self.processes = processes
        self._changed = threading.Condition()
        self._room, self._taken = 0, 0

    @contextmanager
    def reserved(self, width: int, height: int, mode: str) -> Iterator[None]:
        """Wait until an image fits beside those that other threads decode, and hold its memory.

        Raises:
            MemoryError: the image alone needs more than is free.
        """
        if width * height <= SMALL_IMAGE_PIXELS:
            yield
            return
        need = width * height * (BYTES_PER_PIXEL if mode in PLAIN_MODES else BYTES_PER_CONVERTED_PIXEL)
        with self._changed:
            self._changed.wait_for(lambda: self._fits(need))
            self._taken += need
        _return_freed_memory()
        try:
            yield
        finally:
            _return_freed_memory()
            with self._changed:
                self._taken -= need
                self._changed.notify_all()

    def _fits(self, need: int) -> bool:
        if self._taken == 0:  # At this moment no image that this process decodes is counted twice.
            self._room = int(USABLE_SHARE * free_memory()) // self.processes
            if need > self._room:
                raise MemoryError(
                    f"its pixels need {need / 2**30:.1f} GiB to decode, and {self._room / 2**30:.1f} GiB are free"
                )
        return self._taken + need <= self._room


def _return_freed_memory() -> None:
    """Return freed memory to the system, because glibc keeps it for the thread that had it."""
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)
