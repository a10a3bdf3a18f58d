"""Tests run side by side (pytest-xdist), so each process computes on one thread, and the longest files come first."""

import os
import signal

import pytest

from resunit.io import progress

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported here, and in the processes that tests start

# Everyday tests compute on the CPU, whose bits they compare, on a machine with a GPU too; `make test-gpu` does not.
if "TESTS_ON_GPU" not in os.environ:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

# A job in the background ignores SIGINT, and nohup SIGHUP; the processes that tests start would inherit that.
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

# Tests compare all that a command says, also on a machine so busy that it would say that it still works.
progress.SECONDS_BEFORE_PROGRESS = progress.SECONDS_BEFORE_COMMAND_SPEAKS = 600.0

# A worker takes whole files, so a long one that began late would run on alone.
LONGEST_FILES = (
    "test_runner.py", "test_interruption.py", "test_export.py", "test_processes.py", "test_restart.py", "test_loop.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONGEST_FILES)
