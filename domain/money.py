"""Exact decimals: how they are read, and how they are rounded. Nothing rounds by accident."""

from contextlib import AbstractContextManager
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    localcontext,
)

from domain.errors import InvalidInputError
from domain.terms import ZERO

MAX_DIGITS = 28
MAX_EXPONENT = 18
_LONGEST_TEXT = 64
_NUMBER_CHARACTERS = frozenset("0123456789+-.eE")

_ONE = Decimal(1)

# The caller's thread may have any context. A product of two parsed numbers has at most 56 digits,
# which leaves room for more terms than a journal can hold.
_EXACT = Context(
    prec=100, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow]
)


def parse_decimal(field: str, value: object) -> Decimal:
    """Return a number from outside, exactly as it was written.

    Floats are refused: 0.1 has already lost its value before it gets here.

    Raises:
        InvalidInputError: Not a plain finite number of sane size. The value is never repeated.
    """
    number = _read(field, value)
    if not number.is_finite():
        raise InvalidInputError(field, "give a finite number, not NaN or Infinity")
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int), "a finite number has a numeric exponent"
    if len(digits) > MAX_DIGITS:
        raise InvalidInputError(field, f"give at most {MAX_DIGITS} digits")
    if exponent < -MAX_EXPONENT or number.adjusted() > MAX_EXPONENT:
        raise InvalidInputError(
            field, f"give a number below 10^{MAX_EXPONENT + 1} with at most {MAX_EXPONENT} decimals"
        )
    # Zero has one form: "-0" and "0E+5" would look different in a journal.
    return number or ZERO


def round_down(value: Decimal, step: Decimal) -> Decimal:
    """Return the largest multiple of ``step`` that is not above ``value`` (towards -infinity)."""
    with exact():
        count, rest = divmod(value, step)
        return (count - 1 if rest < 0 else count) * step


def round_up(value: Decimal, step: Decimal) -> Decimal:
    """Return the smallest multiple of ``step`` that is not below ``value``."""
    with exact():
        count, rest = divmod(value, step)
        return (count + 1 if rest > 0 else count) * step


def round_half_even(value: Decimal, step: Decimal) -> Decimal:
    """Return the multiple of ``step`` nearest to ``value``; of two as near, the even one."""
    with exact():
        below = round_down(value, step)
        twice_rest = (value - below) * 2
        is_odd = (below / step) % 2 != 0
        is_up = twice_rest > step or (twice_rest == step and is_odd)
        return below + step if is_up else below


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Return whether ``value`` is a whole number of steps."""
    with exact():
        return value % step == 0


def trim(value: Decimal) -> Decimal:
    """Return the same number without trailing zeros and without a positive exponent."""
    if value.same_quantum(_ONE):
        return value  # As most quantities are; a context costs more than all of the rest.
    with exact():
        return value.quantize(Decimal(1)) if value == value.to_integral() else value.normalize()


def exact() -> AbstractContextManager[Context]:
    """Return a context wide enough that sums and products here are never rounded."""
    return localcontext(_EXACT)


def _read(field: str, value: object) -> Decimal:
    match value:
        case bool():
            raise InvalidInputError(field, "give a number, not true or false")
        case Decimal():
            return value
        case int():
            # Converting a huge integer takes quadratic time; refuse it by its size in bits.
            if value.bit_length() > 4 * MAX_DIGITS:
                raise InvalidInputError(field, f"give at most {MAX_DIGITS} digits")
            return Decimal(value)
        case str():
            return _read_text(field, value)
        case _:
            raise InvalidInputError(field, "give the number as text, for example 70000 or 0.05")


def _read_text(field: str, text: str) -> Decimal:
    # Decimal() itself would also take blanks, underscores, NaN and the digits of other scripts.
    is_plain = 0 < len(text) <= _LONGEST_TEXT and _NUMBER_CHARACTERS.issuperset(text)
    with exact():
        try:
            return Decimal(text if is_plain else "not a number")
        except InvalidOperation:
            problem = "give a plain decimal number, for example 70000 or 0.05"
            raise InvalidInputError(field, problem) from None
