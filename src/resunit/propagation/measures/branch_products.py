"""Choosing the junctions whose branch term is computed by a product of its own.

Where x_l is used by h and F alone, the branch term is dE/dx_l less the direct term, and costs nothing.
Elsewhere it is a backward pass through F. Branches that reach back through the whole network, as where every
layer takes the input once more, would make the cost of all products the square of the depth.
"""

from resunit.propagation.detect.found_junction import Detection

MOST_NODES_SHARE = 2.0  # of the graph's nodes, that all products together may visit
ALWAYS_AFFORDABLE = 400  # nodes that cost next to nothing in any network


def affordable_branch_products(detection: Detection) -> frozenset[int]:
    """Return the numbers of the junctions whose branch term is computed by a product, the cheapest first.

    Together the products visit at most `MOST_NODES_SHARE` as many nodes as a backward pass.
    """
    left = max(ALWAYS_AFFORDABLE, MOST_NODES_SHARE * detection.nodes)
    chosen = set()
    numbers = range(len(detection.junctions))
    for number in sorted(numbers, key=lambda number: detection.junctions[number].branch_nodes):
        junction = detection.junctions[number]
        if junction.exact:  # A product is needed only if the pass does not show the direct term.
            chosen.add(number)
        elif junction.branch_nodes <= left:
            left -= junction.branch_nodes
            chosen.add(number)
    return frozenset(chosen)
