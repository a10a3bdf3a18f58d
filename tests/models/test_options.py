"""The options of designs and networks: one table with types, ranges and descriptions."""

import subprocess
import sys
from typing import get_args

import pytest

from resunit.errors import UsageError
from resunit.io.fields import plain_kind
from resunit.models.designs import DESIGNS
from resunit.models.network import NetworkSpec, SharedPreactivation, ShortcutOption
from resunit.models.options import CONVENTIONS, DESCRIPTIONS, DESIGN_OPTIONS, OPTIONS, check_option
from resunit.models.residual_unit import StrideOn


def test_the_table_has_the_options_of_all_designs_with_their_types() -> None:
    designs = [
        design for name, design in DESIGNS.items() if ":" not in name
    ]  # without those that other tests add
    options = {name: type(default) for design in designs for name, default in design.options.items()}
    assert options == {name: plain_kind(kind) for name, kind in DESIGN_OPTIONS.items()}


def test_the_table_has_the_choices_of_networks() -> None:
    choices = {
        "shared_preactivation": SharedPreactivation,
        "stride_on": StrideOn,
        "shortcut_option": ShortcutOption,
    }
    assert {name: get_args(plain_kind(kind)) for name, kind in CONVENTIONS.items()} == {
        name: get_args(kind) for name, kind in choices.items()
    }
    assert set(CONVENTIONS) <= set(NetworkSpec.__dataclass_fields__)


def test_every_option_is_described_in_a_sentence() -> None:
    assert set(DESCRIPTIONS) == set(OPTIONS)
    assert all(text.endswith(".") for text in DESCRIPTIONS.values())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("drop_probability", 1),
        ("drop_probability", -0.1),
        ("final_survival", 1.1),
        ("gate_bias", float("nan")),
        ("gate_bias", "-6"),
        ("inverted_dropout", 1),
        ("shortcut_option", "E"),
    ],
)
def test_a_wrong_option_is_named(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=name):
        check_option(name, value)


def test_whole_numbers_become_floats() -> None:
    assert type(check_option("gate_bias", -6)) is float
    assert check_option("final_survival", 1) == 1


def test_the_options_import_no_torch() -> None:
    code = "import sys, resunit.models.options; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
