"""Makes Settings of what is written in the sources; nothing is guessed.

Keys are the names of the settings, tables those of their parts. A time span is named by its
seconds: ``signal_deadline_s``.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints

from domain.errors import InvalidInputError
from domain.money import parse_decimal
from domain.session import ALWAYS_OPEN, Session
from domain.settings import AbsentPolicy, BrokerTiming, RateLimit, RiskLimits, Settings
from domain.supervision import RestartPolicy
from infra.config.sources import Given, read_sources

STORE: Final = "store"
TABLES: Final[Mapping[str, type]] = {
    "timing": BrokerTiming,
    "rate": RateLimit,
    "risk": RiskLimits,
    "restarts": RestartPolicy,
}
SESSIONS: Final = {"KRX": Session(), "ALWAYS_OPEN": ALWAYS_OPEN}
_LEFT_OUT: Final = ("instruments", "fees")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Key:
    """A key that is known: the field that it fills, its type, and the reader of its value."""

    field: str
    hint: Any
    read: Callable[[str, Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings, the store that is named beside them, and what was written where.

    Attributes:
        store: None when none is named.
        given: By key; what is not in it has its default.
    """

    settings: Settings
    store: str | None
    given: Mapping[str, Given]


def load_settings(
    file: Path | None, environ: Mapping[str, str], dotenv: Path | None = None
) -> tuple[Settings, str | None]:
    """Return the settings and the store of ``load_config``."""
    config = load_config(file, environ, dotenv)
    return config.settings, config.store


def load_config(
    file: Path | None, environ: Mapping[str, str], dotenv: Path | None = None
) -> Config:
    """Return the settings; what is given nowhere has its default.

    Raises:
        InvalidInputError: A key is unknown or its value of no use; the place is named.
    """
    given = read_sources(file, environ, dotenv)
    left = dict(given)
    store = _store_of(left.pop(STORE, None))
    parts: dict[str, Any] = {name: _build(kind, name, left) for name, kind in TABLES.items()}
    settings = _build(Settings, "", left, **parts)
    if left:
        key, wrong = next(iter(left.items()))
        raise InvalidInputError(wrong.where, f"unknown setting; {_hint(key)}")
    return Config(settings=settings, store=store, given=given)


def named_store(environ: Mapping[str, str], dotenv: Path | None = None) -> str | None:
    """Return the store that is named outside of a file of settings; None when none is."""
    return _store_of(read_sources(None, environ, dotenv).get(STORE))


def _store_of(given: Given | None) -> str | None:
    if given is None:
        return None
    if not isinstance(given.value, str) or not given.value:
        raise InvalidInputError(given.where, "give a folder, a file or a postgresql:// URL")
    return given.value


def _build(kind: type[T], table: str, given: dict[str, Given], **parts: Any) -> T:
    """Make a value of the keys that are its own, and take those out of ``given``."""
    values: dict[str, Any] = dict(parts)
    places: dict[str, str] = {}
    for name, key in keys_of(kind).items():
        found = given.pop(f"{table}.{name}" if table else name, None)
        if found is None:
            continue
        places[key.field] = found.where
        value = found.value
        is_typed = not found.is_text or key.read is _text
        values[key.field] = key.read(found.where, value if is_typed else _typed(value))
    try:
        return kind(**values)
    except InvalidInputError as error:
        problem = str(error).partition(": ")[2]
        raise InvalidInputError(places.get(error.field, error.field), problem) from error


def keys_of(kind: type) -> dict[str, Key]:
    """Return the keys that fill a value of that class, without those of its parts."""
    hints = get_type_hints(kind)
    keys = {}
    for name in (field.name for field in fields(kind)):
        if name in TABLES or name in _LEFT_OUT:
            continue
        hint = getattr(hints[name], "__supertype__", hints[name])
        if hint is timedelta:
            keys[f"{name}_s"] = Key(name, hint, _span)
        elif get_origin(hint) is tuple:
            keys[name] = Key(name, hint, _waits)
        elif Decimal in (hint, *get_args(hint)):
            keys[name] = Key(name, hint, _amount)
        else:
            keys[name] = Key(name, hint, _READERS.get(hint, _plain))
    return keys


def _typed(text: object) -> object:
    """Read a variable as TOML would: true, 5, 0.5, [1, 2]; all else is text."""
    try:
        return tomllib.loads(f"value = {text}", parse_float=Decimal)["value"]
    except ValueError:
        return text


def _text(_where: str, value: object) -> object:
    return value  # A number may be an account's name.


def _plain(_where: str, value: object) -> object:
    return float(value) if isinstance(value, Decimal) else value


def _amount(where: str, value: object) -> Decimal:
    return value if isinstance(value, Decimal) else parse_decimal(where, value)


def _span(where: str, value: object) -> timedelta:
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and 0 < value < 10**9:
        return timedelta(seconds=float(value))
    raise InvalidInputError(where, "give seconds above 0")


def _waits(where: str, value: object) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise InvalidInputError(where, "give a list of seconds, for example [1, 2, 4]")
    return tuple(_plain(where, each) for each in value)


def _session(where: str, value: object) -> Session:
    if isinstance(value, str) and value in SESSIONS:
        return SESSIONS[value]
    raise InvalidInputError(where, f"give one of {', '.join(SESSIONS)}")


def _policy(where: str, value: object) -> AbsentPolicy:
    if isinstance(value, str) and value in list(AbsentPolicy):
        return AbsentPolicy(value)
    problem = f"give one of {', '.join(AbsentPolicy)}, or leave it out for the broker's own"
    raise InvalidInputError(where, problem)


_READERS: Final[Mapping[Any, Callable[[str, Any], Any]]] = {
    str: _text,
    Session: _session,
    AbsentPolicy | None: _policy,
}


def _hint(key: str) -> str:
    known = [STORE, *keys_of(Settings)]
    known += [f"{table}.{name}" for table, kind in TABLES.items() for name in keys_of(kind)]
    near = get_close_matches(key, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
