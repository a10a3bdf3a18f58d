import pytest

from resunit.io.format import (
    escape_text,
    format_count,
    format_duration,
    format_field_value,
    format_operations,
    format_percent,
    format_rate,
    format_rounded_count,
    format_share,
    format_time,
    to_two_digits,
)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (format_percent(8.3), "8.30 %"),
        (format_share(0.083), "8.3 %"),
        (format_share(0.997), "100 %"),
        (format_rounded_count(37), "37"),
        (format_rounded_count(931.0), "931"),
        (format_rounded_count(272_282), "272 k"),
        (format_rounded_count(999_499), "999 k"),
        (format_rounded_count(999_500), "1 M"),
        (format_rounded_count(1_730_000), "1.73 M"),
        (format_rate(9.96), "10"),
        (format_rate(2.417), "2.4"),
        (format_rate(1235.417), "1,235"),
        (format_operations(2.19e14), "0.219 PFLOP"),
        (format_operations(1.234e18), "1,234 PFLOP"),
        (format_duration(7), "7 s"),
        (format_duration(968.3), "16 min 08 s"),
        (format_duration(3725), "1 h 02 min"),
        (to_two_digits(0.8714), "0.87"),
        (to_two_digits(216.3), "216"),
        (to_two_digits(2801.0), "2.8e3"),
        (format_count(1, "junction"), "1 junction"),
        (format_count(2, "junction"), "2 junctions"),
        (
            format_field_value({"gate_bias": -6.0, "inverted_dropout": True}),
            "gate_bias -6.0, inverted_dropout yes",
        ),
        (format_field_value((0.5, 0.75)), "0.5, 0.75"),
        (format_field_value([]), "none"),
        (format_field_value([81 / 164, 0.1]), "0.493902, 0.1"),
        (format_field_value(1234.5678901), "1234.57"),
        (format_count(2_000, "class", "classes"), "2,000 classes"),
        (format_time("2026-11-29T14:20:59+00:00"), "29 November 2026, 14:20 UTC"),
        (format_time("yesterday"), "yesterday"),
        (format_field_value(None), "none"),
    ],
)
def test_quantities_as_people_write_them(written: str, expected: str) -> None:
    assert written.replace("\N{NO-BREAK SPACE}", " ") == expected


@pytest.mark.parametrize(
    "written",
    [format_percent(8.3), format_rounded_count(1e6), format_operations(1e15), format_duration(3725)],
)
def test_a_number_and_its_unit_stay_on_one_line(written: str) -> None:
    assert len(written.split(" ")) <= 2, written
    assert not written.endswith((" %", " M", " PFLOP", " min"))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain café \N{CAT} \N{NO-BREAK SPACE}%", "plain café \N{CAT} \N{NO-BREAK SPACE}%"),
        ("caf\udce9.png", r"caf\xe9.png"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("\x1b[31mred\x9b0m\x07", r"\x1b[31mred\x9b0m\x07"),
        ("a\u202etxt\u2066\u2028", r"a\u202etxt\u2066\u2028"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_a_terminal_cannot_show_is_written_out(text: str, written: str) -> None:
    assert escape_text(text) == written
    assert escape_text(text, keep=text) == text
