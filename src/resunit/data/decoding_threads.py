"""Many images decoded side by side, in threads, with progress."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from resunit.data.remarks import pillow_warnings_heard
from resunit.io.progress import counting

IMAGES_AT_ONCE = 1024  # A future of every file of ImageNet would need gigabytes.

T = TypeVar("T")


def decode_in_threads(
    decode: Callable[[int], T], count: int, doing: str, progress: bool
) -> Iterator[tuple[int, T]]:
    """Yield the index and the result of `decode(0)`, ..., `decode(count - 1)`, in this order.

    Images that nobody waits for any more are not begun.

    Args:
        decode: the work on one image, given its index.
        count: the number of images.
        doing: what progress says is done.
        progress: whether progress is shown on stderr.
    """
    with (
        ThreadPoolExecutor() as threads,
        counting(doing, count, progress) as advance,
        pillow_warnings_heard(),
    ):
        try:
            for start in range(0, count, IMAGES_AT_ONCE):
                part = range(start, min(start + IMAGES_AT_ONCE, count))
                for index, found in zip(part, threads.map(decode, part), strict=True):
                    yield index, found
                    advance(1)
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
