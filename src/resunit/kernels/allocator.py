"""Freed memory stays with the process: a training step frees and takes the same gigabytes again and again."""

import ctypes
import platform

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # mallopt(3)
NEVER, GIBIBYTE, OLDER_LIMIT = -1, 1 << 30, 32 << 20


def keep_freed_memory() -> None:
    """Tell glibc's malloc not to give freed memory back to the system; elsewhere there is nothing to tell.

    By default it does so for each large tensor, and the next one's pages are zeroed and mapped anew: a third
    of a training step. The process stays as large as its largest step.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(TRIM_THRESHOLD, NEVER)
    if not mallopt(MMAP_THRESHOLD, GIBIBYTE):
        mallopt(MMAP_THRESHOLD, OLDER_LIMIT)  # what glibc before 2.35 takes at most
