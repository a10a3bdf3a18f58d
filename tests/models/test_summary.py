"""What a network costs, counted from shapes."""

import pytest
from torch import nn

from resunit.models import summary
from resunit.models.designs import DESIGNS, Design, conv_shortcut, plain
from resunit.models.network import NetworkSpec, build
from resunit.models.registry import network_spec
from resunit.models.residual_unit import ORIGINAL


def test_a_network_is_counted_once_unless_the_code_of_its_design_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built: list[NetworkSpec] = []

    def build_and_note(spec: NetworkSpec) -> nn.Module:
        built.append(spec)
        return build(spec)

    monkeypatch.setattr(summary, "build", build_and_note)
    monkeypatch.setitem(DESIGNS, "mine", Design(ORIGINAL, conv_shortcut))
    spec = network_spec("resnet20", design="mine")
    with_convolutions = summary.count_training_flops(spec, 16)
    passes = len(built)
    assert summary.count_training_flops(spec, 16) == with_convolutions
    assert len(built) == passes > 0
    monkeypatch.setitem(DESIGNS, "mine", Design(ORIGINAL, plain))
    assert summary.count_training_flops(spec, 16) < with_convolutions
