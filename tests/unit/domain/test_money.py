"""Reading and rounding decimals."""

from decimal import Context, Decimal, InvalidOperation, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInputError
from domain.money import (
    is_multiple,
    parse_decimal,
    round_down,
    round_half_even,
    round_up,
    trim,
)

NUMBERS = st.decimals(min_value=-(10**12), max_value=10**12, places=6)
STEPS = st.sampled_from([Decimal(text) for text in ("1", "5", "0.01", "1e-8", "0.3", "1000")])


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        ("70000", "70000"),
        ("-0.05", "-0.05"),
        ("+1.50", "1.50"),
        ("1e3", "1E+3"),
        (".5", "0.5"),
        (100, "100"),
        (-7, "-7"),
        (Decimal("1.230"), "1.230"),
        ("-0", "0"),
        ("0.00", "0"),
        ("9" * 19, "9" * 19),
        ("1E-18", "1E-18"),
        ("12345678901.12345678901234567", "12345678901.12345678901234567"),
    ],
)
def test_a_plain_number_is_read_as_it_was_written(raw, number):
    assert str(parse_decimal("order_qty", raw)) == number


@pytest.mark.parametrize(
    "raw",
    [
        0.1,
        1.0,
        True,
        False,
        None,
        b"1",
        [],
        "",
        " 1",
        "1 ",
        "1\n",
        "1_000",
        "1,000",
        "0x10",
        "1e",
        "--1",
        ".",
        "NaN",
        "sNaN",
        "Infinity",
        "-inf",
        "١٢٣",
        "\uff11\uff10\uff10",
        "1e19",
        "1e-19",
        "0e99",
        "1e999999999999999999999",
        "9" * 65,
        "1234567890123456789.0123456789",
        "1." + "0" * 28,
        10**19,
        -(10**19),
        10**4000,
        10**30,
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        Decimal("1e19"),
        Decimal("0e-19"),
        Decimal(10**28),
    ],
)
def test_anything_else_is_refused_by_the_name_of_its_field(raw):
    with pytest.raises(InvalidInputError, match=r"^limit_px: give ") as refused:
        parse_decimal("limit_px", raw)

    assert refused.value.field == "limit_px"
    if isinstance(raw, str) and len(raw) > 2:
        assert raw not in str(refused.value)


def test_a_refusal_does_not_depend_on_the_context_of_the_caller():
    lenient = Context(prec=2, traps=[])

    with localcontext(lenient):
        with pytest.raises(InvalidInputError):
            parse_decimal("limit_px", "1e")
        assert parse_decimal("limit_px", "123456.789") == Decimal("123456.789")


@pytest.mark.parametrize(
    ("value", "step", "down", "nearest", "up"),
    [
        ("9.84", "1", "9", "10", "10"),
        ("-0.5", "1", "-1", "0", "0"),
        ("-1.5", "1", "-2", "-2", "-1"),
        ("0.5", "1", "0", "0", "1"),
        ("1.5", "1", "1", "2", "2"),
        ("10", "5", "10", "10", "10"),
        ("12", "5", "10", "10", "15"),
        ("13", "5", "10", "15", "15"),
        ("7.5", "5", "5", "10", "10"),
        ("12.5", "5", "10", "10", "15"),
        ("1e18", "1e-18", "1e18", "1e18", "1e18"),
    ],
)
def test_each_rounding_goes_its_own_way(value, step, down, nearest, up):
    number, unit = Decimal(value), Decimal(step)

    assert round_down(number, unit) == Decimal(down)
    assert round_half_even(number, unit) == Decimal(nearest)
    assert round_up(number, unit) == Decimal(up)


@given(value=NUMBERS, step=STEPS)
def test_rounding_brackets_the_value_within_one_step(value, step):
    down, nearest, up = (
        round_down(value, step),
        round_half_even(value, step),
        round_up(value, step),
    )

    assert down <= value <= up
    assert up - down == (0 if is_multiple(value, step) else step)
    assert abs(nearest - value) * 2 <= step
    assert nearest in (down, up)
    assert all(is_multiple(rounded, step) for rounded in (down, nearest, up))


def test_rounding_does_not_depend_on_the_context_of_the_caller():
    with localcontext(Context(prec=3)):
        assert round_down(Decimal("123456789.9"), Decimal(1)) == 123456789


def test_rounding_to_no_step_is_a_bug():
    with pytest.raises(InvalidOperation):
        round_down(Decimal(1), Decimal(0))


@pytest.mark.parametrize(
    ("value", "text"),
    [("100.0", "100"), ("1E+3", "1000"), ("0.050", "0.05"), ("0.00", "0"), ("-7.10", "-7.1")],
)
def test_trimmed_numbers_have_one_form(value, text):
    assert str(trim(Decimal(value))) == text
