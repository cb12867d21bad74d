"""What a field must be to be of use: the rules that signals and settings share.

Values come from people and programs that no type checker has seen, so types are checked as well.
A wrong one is named by its field and by what to give instead, never by its value.
"""

from typing import TypeGuard

from domain.errors import InvalidInputError

LONGEST_ID = 64
LONGEST_S = 10.0**9


def id_text(field: str, value: object, *, shortest: int = 1) -> str:
    """Return an id from outside.

    Raises:
        InvalidInputError: Not a text that every broker, log and screen carries unchanged.
    """
    if isinstance(value, str) and shortest <= len(value) <= LONGEST_ID:
        is_plain = value.isascii() and value.isprintable() and value == value.strip()
        if is_plain:
            return value
    problem = f"give {shortest} to {LONGEST_ID} printable ASCII characters, no blank at either end"
    raise InvalidInputError(field, problem)


def require(field: str, is_usable: bool, problem: str) -> None:
    """Raise InvalidInputError with ``problem`` unless the value is of use."""
    if not is_usable:
        raise InvalidInputError(field, problem)


def require_whole(field: str, value: object, *, least: int, most: int | None = None) -> None:
    """Raise InvalidInputError unless the value is a whole number in these bounds; True is none."""
    is_usable = (
        isinstance(value, int)
        and not isinstance(value, bool)
        and value >= least
        and (most is None or value <= most)
    )
    bounds = f", at least {least}" if most is None else f" from {least} to {most}"
    require(field, is_usable, f"give a whole number{bounds}")


def require_seconds(field: str, value: object, *, least: float) -> None:
    """Raise InvalidInputError unless the value is a number of seconds, at least ``least``."""
    # NaN compares false with everything, so it is refused as well.
    is_usable = is_number(value) and least <= value < LONGEST_S
    require(field, is_usable, f"give seconds, at least {least} and below {LONGEST_S:.0f}")


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether it is one of Python's plain numbers, True and False not among them."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def require_kind(field: str, value: object, kind: type) -> None:
    """Raise InvalidInputError unless the value is of that class."""
    article = "an" if kind.__name__.startswith(tuple("AEIO")) else "a"
    require(field, isinstance(value, kind), f"give {article} {kind.__name__}")
