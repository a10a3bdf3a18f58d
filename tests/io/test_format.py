import pytest

from resunit.io.format import (
    counted,
    date_and_time,
    duration,
    field_value,
    in_petaflop,
    per_second,
    percent,
    rounded_count,
    share_in_percent,
    two_digits,
)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (percent(8.3), "8.30 %"),
        (share_in_percent(0.083), "8.3 %"),
        (share_in_percent(0.997), "100 %"),
        (rounded_count(37), "37"),
        (rounded_count(931.0), "931"),
        (rounded_count(272_282), "272 k"),
        (rounded_count(1_730_000), "1.73 M"),
        (per_second(9.96), "10"),
        (per_second(2.417), "2.4"),
        (per_second(1235.417), "1,235"),
        (in_petaflop(2.19e14), "0.219 PFLOP"),
        (in_petaflop(1.234e18), "1,234 PFLOP"),
        (duration(7), "7 s"),
        (duration(968.3), "16 min 08 s"),
        (duration(3725), "1 h 02 min"),
        (two_digits(0.8714), "0.87"),
        (two_digits(216.3), "216"),
        (two_digits(2801.0), "2.8e3"),
        (counted(1, "junction"), "1 junction"),
        (counted(2, "junction"), "2 junctions"),
        (field_value({"gate_bias": -6.0, "inverted_dropout": True}), "gate_bias -6.0, inverted_dropout yes"),
        (field_value((0.5, 0.75)), "0.5, 0.75"),
        (field_value([]), "none"),
        (field_value([81 / 164, 0.1]), "0.493902, 0.1"),
        (field_value(1234.5678901), "1234.57"),
        (counted(2_000, "class", "classes"), "2,000 classes"),
        (date_and_time("2026-11-29T14:20:59+00:00"), "29 November 2026, 14:20 UTC"),
        (date_and_time("yesterday"), "yesterday"),
        (field_value(None), "none"),
    ],
)
def test_quantities_as_people_write_them(written: str, expected: str) -> None:
    assert written.replace("\N{NO-BREAK SPACE}", " ") == expected


@pytest.mark.parametrize("written", [percent(8.3), rounded_count(1e6), in_petaflop(1e15), duration(3725)])
def test_a_number_and_its_unit_stay_on_one_line(written: str) -> None:
    assert len(written.split(" ")) <= 2, written
    assert not written.endswith((" %", " M", " PFLOP", " min"))
