"""What the command line does to its own process; the library leaves its host alone."""

import os
import sys

from resunit.cli.interruption import INTERRUPTION

# A thread of libgomp looks this often for new work before it gives its core away: about a microsecond. By itself
# it looks for milliseconds, and a second program on the same cores then makes a step many times slower.
SPIN, SHORT_SPIN = "GOMP_SPINCOUNT", "1000"


def shorten_spin() -> None:
    """Let the waiting threads of this process give their cores to other programs soon.

    The OpenMP library reads this when torch is loaded, so it has no effect later. A user who has set
    GOMP_SPINCOUNT or OMP_WAIT_POLICY has decided already.
    """
    decided = SPIN in os.environ or "OMP_WAIT_POLICY" in os.environ
    if not decided and "torch" not in sys.modules:
        os.environ[SPIN] = SHORT_SPIN


def claim_process() -> None:
    """Keep freed memory in this process, which makes training faster, and use no more threads than its cores.

    Raises:
        KeyboardInterrupt: a signal came while libraries were imported, and one of them swallowed it.
    """
    import torch

    from resunit.ops.cpu.allocator import keep_freed_memory
    from resunit.training.threads import limit_threads

    keep_freed_memory(torch.device("cpu"))
    limit_threads()
    INTERRUPTION.end_if_asked()
