"""Telling, for a node of the graph, what it does to the values that pass: weights, activations, copies."""

import math

import torch
from torch.autograd.function import BackwardCFunction

from resunit.propagation.detect.graph import Graph, Node, is_weight, operation_of

# Parts of the names of nodes that sum over products with their weights. In all other operations a parameter
# of any shape acts element by element, like a bias, a scale or a table of positions.
MIXING = ("mm", "mv", "conv", "linear", "dot", "rnn", "lstm", "gru", "attention", "trilinear")
# These operations change where elements are kept or in which precision, and keep every value.
COPIES = ("Clone", "ToCopy", "Alias")
KEEPS_VALUES = (
    *COPIES, "View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze",
    "Transpose", "T", "Permute",
)  # fmt: skip
# What may stand between a sigmoid-like function T and the product: 1 - T, a mean over positions, a part.
AFFINE_OF_A_GATE = ("Rsub", "Sub", "Neg", "Mul", "Div", "Add", "Expand", "Sum", "Mean", "Select", "Slice")
NONLINEAR = (
    "Sigmoid", "Hardsigmoid", "Softmax", "Tanh", "Hardtanh",
    "Relu", "Gelu", "Silu", "Elu", "Mish", "Prelu", "Threshold", "Softplus", "Hardswish", "Glu",
    "Attention", "Activation", "Clamp", "MaxPool",
)  # fmt: skip
NONLINEAR_FUNCTIONS = ("Exp", "Log", "Abs", "Pow", "Sqrt", "Sin", "Cos", "Erf", "Where", "Max", "Min")
# These operations are linear in one of their inputs if the other one does not depend on the signal.
PRODUCTS = ("Mul", "Div", "Mm", "Bmm", "Baddbmm", "Addmm", "Addcmul", "Convolution")

# The marks of nodes: bits of a number, because tables of enums are slow.
WEIGHT_LAYER = 1  # a weight that ends a stream
LAYER = 2  # any layer, which no shortcut of several ways holds


def copies(graph: Graph, node: Node) -> bool:
    """Return whether a node passes every value on as it is, in the same place."""
    return operation_of(node) in COPIES or node in graph.unchanged


def keeps_values(graph: Graph, node: Node) -> bool:
    """Return whether a node passes every value on as it is, in another place or precision."""
    return operation_of(node) in KEEPS_VALUES or node in graph.unchanged


def mixes(graph: Graph, node: Node) -> bool:
    """Return whether a node sums over products with a weight, as linear layers and convolutions do.

    A convolution may be computed by Fourier transforms, as in S4 and in global filters.
    """
    parameters = graph.parameters[node]
    if not any(parameter.ndim >= 2 for parameter in parameters):
        return False
    is_product = operation_of(node) == "Mul"
    return sums_products(node) or (
        is_product and (_is_of_frequencies(graph, node) or _is_outer_product(node))
    )


def is_weight_layer(graph: Graph, node: Node) -> bool:
    """Return whether a node mixes channels or positions by a weight, which ends a stream."""
    return mixes(graph, node) and any(is_weight(parameter) for parameter in graph.parameters[node])


def is_layer(graph: Graph, node: Node) -> bool:
    """Return whether a node is a layer: a weight that mixes, a normalisation, a custom function, or attention.

    A product of two matrices that both depend on the inputs counts as attention.
    """
    is_attention = sums_products(node) and len(graph.children[node]) > 1
    return is_attention or mixes(graph, node) or is_normalisation(graph, node) or is_custom(node)


def layer_marks(graph: Graph, node: Node) -> int:
    """Return the bits that say which kind of a layer a node is: `WEIGHT_LAYER`, `LAYER`, or none."""
    return (WEIGHT_LAYER if is_weight_layer(graph, node) else 0) | (LAYER if is_layer(graph, node) else 0)


def is_custom(node: Node) -> bool:
    """Return whether a node is a custom autograd function, which may hide anything."""
    return isinstance(node, BackwardCFunction)


def is_normalisation(graph: Graph, node: Node) -> bool:
    """Return whether a node normalises and has parameters."""
    return bool(graph.parameters[node]) and "Norm" in operation_of(node)


def is_nonlinear(graph: Graph, node: Node) -> bool:
    """Return whether a node is an activation, or a product of two values that depend on the inputs."""
    name = operation_of(node)
    if any(word in name for word in NONLINEAR) or name in NONLINEAR_FUNCTIONS or is_custom(node):
        return True
    return name in PRODUCTS and len(graph.children[node]) > 1


def sums_products(node: Node) -> bool:
    """Return whether a node sums over products, as a convolution or a product of matrices does."""
    name = operation_of(node).lower()
    return any(part in name for part in MIXING)


def _is_of_frequencies(graph: Graph, node: Node) -> bool:
    """Return whether a product is one of a Fourier transform, which stands for a convolution over all positions."""
    edges = graph.children[node]
    while len(edges) == 1 and keeps_values(graph, edges[0][0]):
        edges = graph.children[edges[0][0]]
    return len(edges) == 1 and operation_of(edges[0][0]).startswith("Fft")


def _is_outer_product(node: Node) -> bool:
    """Return whether a product has more elements than either factor, so that a sum over it mixes values."""
    try:
        one, other = node._saved_self, node._saved_other
    except RuntimeError:  # A factor was changed in place after the product.
        return False
    if one is None or other is None:
        return False
    total = math.prod(torch.broadcast_shapes(one.shape, other.shape))
    return total > max(one.numel(), other.numel())
