"""Recorded quantities as people write them."""


def percent(error: float) -> str:
    """An error rate: ``7.92 %``."""
    return f"{error:.2f} %"


def amount(value: float) -> str:
    """A count to three digits with its thousands: ``270 k``, ``1.73 M``."""
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{_three_digits(value / size)}{letter}"
    return f"{value:g}"


def petaflop(operations: float) -> str:
    """Arithmetic done: ``12.3 PFLOP``."""
    return f"{_three_digits(operations / 1e15)} PFLOP"


def duration(seconds: float) -> str:
    """A wall-clock time by its two largest units: ``1 h 02 min``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _three_digits(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
