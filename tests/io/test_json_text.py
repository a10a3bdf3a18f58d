"""JSON that anybody may have written."""

import pytest

from resunit.io.json_text import MOST_LEVELS, parse_json


@pytest.mark.parametrize("levels", [MOST_LEVELS + 1, 900, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_what_is_nested_too_deep_is_no_json_for_us(levels: int, opening: str, closing: str) -> None:
    with pytest.raises(ValueError, match="levels"):
        parse_json(opening * levels + "1" + closing * levels)


def test_as_many_levels_as_allowed() -> None:
    value = parse_json("[" * MOST_LEVELS + "]" * MOST_LEVELS)
    for _ in range(MOST_LEVELS - 1):
        (value,) = value
    assert value == []


def test_many_values_side_by_side_are_not_deep() -> None:
    assert parse_json(b'{"a": [[1, 2], {"b": null}], "c": "[[["}') == {"a": [[1, 2], {"b": None}], "c": "[[["}
    with pytest.raises(ValueError, match="Expecting"):
        parse_json("{")
