"""The work of a GPU, captured as one CUDA graph: recorded once, and repeated by a single call of the host.

A call of the host for each operator takes longer than a GPU computes a small network. A graph has the addresses of
all its tensors, so that it computes with what stands there when it is repeated.
"""

from collections.abc import Callable, Hashable

import torch

from resunit.errors import reason_of
from resunit.training.operator_record import OperatorRecord, find_obstacle

RUNS_BEFORE_CAPTURE = 3
"""The first run makes the state of an optimizer, and each of them lets libraries choose their kernels."""


class CapturedWork:
    """Does the same work again and again on one GPU: a few times as it is written, and then as a captured graph."""

    def __init__(
        self,
        device: torch.device,
        undo: Callable[[], None],
        say: Callable[[str], None],
        *,
        watched: bool,
    ):
        """Begin without a graph.

        Args:
            device: the GPU.
            undo: takes back what the work leaves in Python's objects where it ended with an error while it was
                captured, when nothing was computed.
            say: tells the user why nothing is captured, if so.
            watched: whether the runs before the capture are compared, because the work has parts that nobody has
                checked. In compiled parts no operators can be seen.
        """
        self.undo, self.say, self.watched = undo, say, watched
        self.device, self.stream = device, torch.cuda.Stream(device)
        self.shape: Hashable = None
        self.graph: torch.cuda.CUDAGraph | None = None
        self.records: list[OperatorRecord] = []
        self.runs = 0
        self.is_possible = True

    def run(self, work: Callable[[], None], shape: Hashable) -> None:
        """Do the work once.

        Args:
            work: what is done on the device, the same in each call. It asks for no number, and all tensors that it
                does not make itself stay where they are. It is not kept: its owner owns this object, and a circle of
                the two would hold the memory of the graph until Python looks for circles.
            shape: what the shapes of its tensors depend on. Each time that it changes, the work is captured anew.
        """
        if shape != self.shape:
            self.shape, self.graph, self.runs, self.records = shape, None, 0, []
        with torch.cuda.device(self.device):
            if self.graph is None and self.is_possible and self.runs == RUNS_BEFORE_CAPTURE:
                self._capture(work)
            if self.graph is not None:
                self.graph.replay()
            elif self.is_possible:
                self._run_before_capture(work)
            else:
                work()

    def _run_before_capture(self, work: Callable[[], None]) -> None:
        """Do the work as it is written, on the stream on which it is captured later, as torch asks for."""
        self.runs += 1
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            if self.watched:
                with OperatorRecord() as record:
                    work()
                self.records.append(record)
            else:
                work()
        torch.cuda.current_stream().wait_stream(self.stream)

    def _capture(self, work: Callable[[], None]) -> None:
        """Capture the work; nothing is computed. Where that is not possible, say why."""
        # The first run makes what the others find.
        obstacle = find_obstacle(self.records[1:]) if self.watched else None
        self.records = []
        if obstacle is None:
            graph = torch.cuda.CUDAGraph()
            try:
                # An error in the capture leaves its stream the current one.
                with (
                    torch.cuda.stream(torch.cuda.current_stream()),
                    torch.cuda.graph(graph, stream=self.stream),
                ):
                    work()
            except RuntimeError as error:
                self.undo()
                obstacle = reason_of(error)
            else:
                self.graph = graph
                return
        self.is_possible = False
        self.say(f"steps are not captured as a CUDA graph: {obstacle}")
