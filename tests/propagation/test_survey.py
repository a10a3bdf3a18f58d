"""Networks of other libraries have as many junctions as their configurations say."""

import pytest
import torch

from tests.propagation.networks import Network
from tests.propagation.surveyed import SURVEYED
from tests.propagation.toy import detected


@pytest.mark.full
@pytest.mark.parametrize("network", SURVEYED, ids=lambda network: network.name)
def test_the_number_of_junctions(network: Network) -> None:
    torch.manual_seed(0)
    model, inputs = network.build()
    assert len(detected(model.eval(), inputs).junctions) == network.kinds["junctions"]
