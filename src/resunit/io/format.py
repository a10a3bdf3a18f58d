"""Numbers, times and names as people read them.

On a page, a no-break space keeps a number and its unit on one line. The functions whose text also goes to a
terminal and to JSON, `format_share`, `to_two_digits` and `format_count`, use plain spaces.
"""

import html
import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta

NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
NOT_SHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
BYTES_OF_NAMES = "".join(map(chr, range(0xDC80, 0xDD00)))
"""The characters that stand in Python for the bytes 0x80 to 0xff of a file name where they are no UTF-8."""

# The names do not depend on the language of the machine, as those of strftime do.
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def format_percent(value_in_percent: float) -> str:
    """Return a value that is already in percent, such as an error, to two decimals: ``7.92 %``."""
    return f"{value_in_percent:.2f}{NO_BREAK_SPACE}%"


def format_share(share: float) -> str:
    """Return a share between 0 and 1 as a percentage to two digits: ``12 %`` for 0.12."""
    return f"{100 * share:.2g} %" if 100 * share < 99.5 else f"{100 * share:.0f} %"


def to_two_digits(value: float) -> str:
    """Return a number to two digits: ``0.87``, ``13``, ``220``, ``4e-06``, ``2.8e3``."""
    if abs(value) >= 1000:
        return f"{value:.1e}".replace("e+0", "e").replace("e+", "e")
    return f"{value:.0f}" if abs(value) >= 99.5 else f"{value:.2g}"


def drop_nonfinite(value: float | None) -> float | None:
    """Return a number for JSON, which has no infinite numbers and no NaN: None in their place."""
    return value if value is not None and math.isfinite(value) else None


def format_count(count: int, noun: str, plural: str | None = None) -> str:
    """Return a count with its noun: ``1 junction``, ``2,000 junctions``; `plural` is needed for ``2 classes``."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def format_rounded_count(count: float) -> str:
    """Return a count to three digits, in thousands, millions or billions: ``931``, ``270 k``, ``1.73 M``."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= 0.9995 * size:  # To three digits, 999,500 are 1 M and not 1,000 k.
            return f"{_three_digits(count / size)}{NO_BREAK_SPACE}{letter}"
    return f"{count:g}"


def format_rate(rate: float) -> str:
    """Return a number of things per second, whole from 10 on: ``1,240``, ``235``, ``2.4``."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


def format_operations(operations: float) -> str:
    """Return a number of floating-point operations in units of 10^15: ``12.3 PFLOP``."""
    return f"{_three_digits(operations / 1e15)}{NO_BREAK_SPACE}PFLOP"


def format_duration(seconds: float) -> str:
    """Return a time by its two largest units: ``1 h 02 min``, ``16 min 08 s``, ``7 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}{NO_BREAK_SPACE}h {minutes:02d}{NO_BREAK_SPACE}min"
    return (
        f"{minutes}{NO_BREAK_SPACE}min {rest:02d}{NO_BREAK_SPACE}s" if minutes else f"{rest}{NO_BREAK_SPACE}s"
    )


def format_time(written: str) -> str:
    """Return a time in ISO 8601 format as people write it: ``29 November 2026, 14:20 UTC``; other texts stay."""
    try:
        time = datetime.fromisoformat(written)
    except ValueError:
        return written
    zone = " UTC" if time.utcoffset() == timedelta() else ""
    return f"{time.day} {MONTHS[time.month - 1]} {time.year}, {time:%H:%M}{zone}"


def format_field_value(value: object) -> str:
    """Return a record's value as a table shows it: ``none``, ``yes``, ``0.5, 0.75``, ``gate_bias -6.0``.

    A number of more than eight characters, such as 81 / 164, is rounded to six digits.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {format_field_value(part)}" for name, part in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(format_field_value, value)) or "none"
    if isinstance(value, float) and len(str(value)) > 8:
        return f"{value:.6g}"
    return "none" if value is None else str(value)


def _three_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def escape_text(text: str, keep: str = "") -> str:
    r"""Return a text with the characters that a terminal cannot show written out: ``caf\xe9.png``, ``a\nb``.

    They are control characters, ends of lines, marks that turn the direction of writing, and the bytes of file
    names that are no UTF-8.

    Args:
        text: any text.
        keep: the characters that stay as they are.
    """
    return NOT_SHOWN.sub(lambda found: found[0] if found[0] in keep else _write_out(found[0]), text)


def escape_markup(text: str) -> str:
    """Return a text as plotly shows it: plotly reads tags as markup, and its JSON has to be UTF-8."""
    return html.escape(escape_text(text), quote=False)


def _write_out(character: str) -> str:
    if character in BYTES_OF_NAMES:
        return f"\\x{ord(character) - ord(BYTES_OF_NAMES[0]) + 0x80:02x}"
    return character.encode("unicode_escape").decode("ascii")
