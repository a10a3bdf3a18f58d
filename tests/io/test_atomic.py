"""Locks end with the process that took them."""

import os
import signal
from pathlib import Path

from resunit.io.atomic import only_user_of


def test_a_forked_process_does_not_keep_a_lock(tmp_path: Path) -> None:
    """As those that decode images, which a killed run leaves behind for some seconds."""
    started, child_started = os.pipe()
    with only_user_of(tmp_path):
        child = os.fork()
        if child == 0:
            os.write(child_started, b".")
            signal.pause()
    try:
        os.read(started, 1)
        with only_user_of(tmp_path):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
