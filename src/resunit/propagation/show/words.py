"""How numbers are said."""


def number(value: float) -> str:
    """Two digits: 0.87, 13, 220, 4e-06, 2.8e3."""
    if abs(value) >= 1000:
        return f"{value:.1e}".replace("e+0", "e").replace("e+", "e")
    return f"{value:.0f}" if abs(value) >= 99.5 else f"{value:.2g}"


def percent(share: float) -> str:
    return f"{100 * share:.2g} %" if 100 * share < 99.5 else f"{100 * share:.0f} %"


def counted(count: int, word: str) -> str:
    """1 junction, 2 junctions."""
    return f"{count} {word}{'s' * (count != 1)}"
