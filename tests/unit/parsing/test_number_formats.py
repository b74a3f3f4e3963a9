"""Numbers and dates as a sheet shows them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest_worker.parsing.office.number_formats import BUILTIN, general, number_format


@pytest.mark.parametrize(
    ("code", "value", "expected"),
    [
        ("0%", 0.25, "25%"),
        ("0.00", 2.675, "2.68"),
        ("0.00", 1.005, "1.01"),
        ("#,##0.00", -1234.5, "-1,234.50"),
        ('"$"#,##0.00', -1234.5, "-$1,234.50"),
        ("[$€-407] #,##0.00", 12.5, "€ 12.50"),
        ("000", 7, "007"),
        ("0.0##", 2.5, "2.5"),
        ("#", 0, ""),
        ("#,##0,", 1234567, "1,235"),
        ("0.0;(0.0)", -5.5, "(5.5)"),
        ('0;-0;"none"', 0, "none"),
        ('_($* #,##0.00_);_($* (#,##0.00);_($* "-"??_);_(@_)', 1234.5, "$1,234.50"),
        ("000\\-00\\-0000", 123456789, "123-45-6789"),
        ("0.00E+00", 12345, "1.23E+04"),
        ("# ?/?", 1.25, "1 1/4"),
        ("# ??/??", 0.3125, "5/16"),
        ("# ?/4", 1.3, "1 1/4"),
        ('0 "kg"', 5, "5 kg"),
        ("[Red]0.0", -3, "-3.0"),
    ],
)
def test_numbers(code: str, value: float, expected: str) -> None:
    shown = number_format(code)
    assert shown is not None
    assert shown(value) == expected


@pytest.mark.parametrize(
    ("code", "value", "expected"),
    [
        ("dd/mm/yyyy", 43895, "05/03/2020"),
        ("mmm-yy", 43895, "Mar-20"),
        ("[$-409]dddd, mmmm d", 43895, "Thursday, March 5"),
        ("mmmmm", 43895, "M"),
        ("m/d/yy h:mm", 43895.5, "3/5/20 12:00"),
        ("h:mm AM/PM", 0.75, "6:00 PM"),
        ("h:mm A/P", 0, "12:00 A"),
        ("mm:ss.0", 0.0012345, "01:46.7"),
        ("[h]:mm:ss", 1.5, "36:00:00"),
        ("[mm]:ss", 0.5, "720:00"),
        ('yyyy"年"m"月"', 43895, "2020年3月"),
        ("yyyy-mm-dd", 1, "1900-01-01"),
        ("yyyy-mm-dd", 61, "1900-03-01"),
        ("yyyy-mm-dd", -1, "-1"),
        (BUILTIN[14], 43895, "2020-03-05"),
    ],
)
def test_dates(code: str, value: float, expected: str) -> None:
    shown = number_format(code)
    assert shown is not None
    assert shown(value) == expected


def test_dates_since_1904() -> None:
    shown = number_format("yyyy-mm-dd", True)
    assert shown is not None
    assert shown(0) == "1904-01-01"


@pytest.mark.parametrize("code", ["", "General", "GENERAL", "@"])
def test_no_format_is_none(code: str) -> None:
    assert number_format(code) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.1 + 0.2, "0.3"), (3.0, "3"), (12345678901.0, "12345678901"), (1e21, "1E+21")],
)
def test_general(value: float, expected: str) -> None:
    assert general(value) == expected


@given(
    st.text('0#?.,%;"\\[]$-_*@/ ymdhsAPEe+G', max_size=24),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_any_code_shows_any_number(code: str, value: float) -> None:
    shown = number_format(code)
    assert shown is None or isinstance(shown(value), str)
