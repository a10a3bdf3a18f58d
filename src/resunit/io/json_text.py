"""JSON from files of unknown origin, parsed so that no content takes unbounded time."""

import json
from typing import Any

MOST_LEVELS = 50  # No record of ours has ten levels, and Python's own functions stop at about a thousand.


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: the text is no JSON, or its lists and objects are nested deeper than `MOST_LEVELS`.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise _too_deep() from None
    level = [value]
    for _ in range(MOST_LEVELS):
        level = [part for item in level if isinstance(item, dict | list) for part in _parts(item)]
        if not level:
            return value
    raise _too_deep()


def _parts(item: dict[str, Any] | list[Any]) -> list[Any]:
    parts = item.values() if isinstance(item, dict) else item
    return [part for part in parts if isinstance(part, dict | list)]


def _too_deep() -> ValueError:
    return ValueError(f"nested deeper than {MOST_LEVELS} levels")
