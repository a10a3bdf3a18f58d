"""Tests run side by side (pytest-xdist), so each process computes on one thread."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported here, and in the processes that tests start
