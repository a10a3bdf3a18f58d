"""Print how many networks of other libraries the instrument gets right, wrong, or refuses.

    python -m tools.propagation_survey

The networks, and the junctions that their configurations say they have, come from tests/propagation.
"""

from collections import Counter

import torch

from resunit.errors import PropagationError
from resunit.propagation import Instrument
from tests.propagation.networks import NETWORKS, Network
from tests.propagation.surveyed import SURVEYED


def find_outcome(network: Network) -> str:
    """Return "right", "wrong" or "refused", and print what was found where it is not right."""
    torch.manual_seed(0)
    model, inputs = network.build()
    right = sum(network.kinds.values())
    try:
        found = len(Instrument(model.eval()).detect(inputs).junctions)
    except PropagationError as error:
        print(f"{network.library} {network.name}: refused ({error})")
        return "refused"
    if found != right:
        print(f"{network.library} {network.name}: {found} junctions, right are {right}")
    return "right" if found == right else "wrong"


def main() -> None:
    """Survey all networks, and print the counts."""
    counts = Counter(find_outcome(network) for network in [*NETWORKS, *SURVEYED])
    print(", ".join(f"{counts[word]} {word}" for word in ("right", "wrong", "refused")))


if __name__ == "__main__":
    main()
