"""What the command line does to its own process; the library leaves its host alone."""

from resunit.cli.interruption import INTERRUPTION


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
