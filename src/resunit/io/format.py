"""Numbers as people write them; a number is never parted from its unit at the end of a line."""

SPACE = "\N{NO-BREAK SPACE}"


def percent(error: float) -> str:
    """An error rate: ``7.92 %``."""
    return f"{error:.2f}{SPACE}%"


def amount(value: float) -> str:
    """A count to three digits with its thousands: ``270 k``, ``1.73 M``."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{_three_digits(value / size)}{SPACE}{letter}"
    return f"{value:g}"


def rate(value: float) -> str:
    """Things a second: ``1,240``, ``235``, ``2.4``."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def petaflop(operations: float) -> str:
    """Arithmetic done: ``12.3 PFLOP``."""
    return f"{_three_digits(operations / 1e15)}{SPACE}PFLOP"


def duration(seconds: float) -> str:
    """A wall-clock time by its two largest units: ``1 h 02 min``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}{SPACE}h {minutes:02d}{SPACE}min"
    return f"{minutes}{SPACE}min {rest:02d}{SPACE}s" if minutes else f"{rest}{SPACE}s"


def in_words(value: object) -> str:
    """A recorded value as a table shows it: ``none``, ``yes``, ``0.5, 0.75``, ``gate_bias -6``."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {in_words(part)}" for name, part in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(in_words, value)) or "none"
    return "none" if value is None else str(value)


def _three_digits(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def two_digits(value: float) -> str:
    """Return a number to two digits: 0.87, 13, 220, 4e-06, 2.8e3."""
    if abs(value) >= 1000:
        return f"{value:.1e}".replace("e+0", "e").replace("e+", "e")
    return f"{value:.0f}" if abs(value) >= 99.5 else f"{value:.2g}"


def share_in_percent(share: float) -> str:
    """Return a share between 0 and 1 as a percentage to two digits: ``12 %``."""
    return f"{100 * share:.2g} %" if 100 * share < 99.5 else f"{100 * share:.0f} %"


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: 1 junction, 2 junctions."""
    return f"{count} {noun}{'s' * (count != 1)}"
