"""Saying why a network has no backward pass, and what to change."""

from torch.utils.checkpoint import CheckpointError

from resunit.errors import reason_of
from resunit.propagation.detect.graph import REENTRANT, Node, inputs_first, operation_of


def explain_backward(error: RuntimeError, root: Node) -> str:
    """Return the reason of an error of the backward pass that begins at the node `root`."""
    if isinstance(error, CheckpointError):
        return (
            "a checkpoint computes other operations again than those of the forward pass, as of "
            "functions that step aside while they are watched; measure without checkpointing"
        )
    if any(operation_of(node) == REENTRANT for node in inputs_first([root])):
        return "re-entrant checkpointing gives no gradients of activations; use use_reentrant=False"
    if "inplace operation" in str(error):  # Autograd has no class for this error; a test meets it.
        return (
            "the backward pass needs a value that the model overwrites in place; "
            "write y = y + x where it says y += x, and leave inplace=True out"
        )
    return (
        f"the model has no backward pass on these inputs ({reason_of(error)}); "
        "make model(inputs) and loss.backward() run first"
    )
