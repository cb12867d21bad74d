"""Reads Settings from a TOML file and ONCEFILL_ variables, which win; nothing is guessed.

Keys are the names of the settings, tables those of their parts. A time span is named by its
seconds: ``signal_deadline_s``. In the environment two underscores stand for the dot.
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
from domain.settings import BrokerTiming, RateLimit, RiskLimits, Settings
from domain.supervision import RestartPolicy

PREFIX: Final = "ONCEFILL_"

# Of the launcher, of the tests and of the door: no settings.
_RESERVED: Final = ("ONCEFILL_STARTS", "ONCEFILL_TEST_", "ONCEFILL_RUNTIME")
_STORE: Final = "store"
_LARGEST: Final = 2**20
_TABLES: Final[Mapping[str, type]] = {
    "timing": BrokerTiming,
    "rate": RateLimit,
    "risk": RiskLimits,
    "restarts": RestartPolicy,
}
_LEFT_OUT: Final = ("instruments", "fees")
_SESSIONS: Final = {"KRX": Session(), "ALWAYS_OPEN": ALWAYS_OPEN}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Given:
    """A value, and where it was written; text of the environment has no type yet."""

    where: str
    value: object
    is_text: bool


@dataclass(frozen=True, slots=True)
class _Key:
    """A key that is known: the field that it fills, and the reader of its value."""

    field: str
    read: Callable[[str, Any], Any]


def load_settings(file: Path | None, environ: Mapping[str, str]) -> tuple[Settings, str | None]:
    """Return the settings, and the store that is named beside them; None when none is.

    What is given nowhere has its default.

    Raises:
        InvalidInputError: A key is unknown or its value of no use; file and key are named.
    """
    given = {} if file is None else _of_file(file)
    given |= _of_environment(environ)
    store = given.pop(_STORE, None)
    if store is not None and not (isinstance(store.value, str) and store.value):
        raise InvalidInputError(store.where, "give a folder, a file or a postgresql:// URL")
    parts: dict[str, Any] = {name: _build(kind, name, given) for name, kind in _TABLES.items()}
    settings = _build(Settings, "", given, **parts)
    if given:
        key, wrong = next(iter(given.items()))
        raise InvalidInputError(wrong.where, f"unknown setting; {_hint(key)}")
    return settings, None if store is None else str(store.value)


def _of_file(file: Path) -> dict[str, _Given]:
    try:
        text = file.read_bytes()[:_LARGEST].decode()
        raw = tomllib.loads(text, parse_float=Decimal)
    except OSError as error:
        raise InvalidInputError("config", f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:  # Not TOML, or not UTF-8.
        raise InvalidInputError("config", f"{file} is not TOML: {error}") from error
    given: dict[str, _Given] = {}
    for name, value in raw.items():
        inner = value if isinstance(value, dict) else {"": value}
        for key, each in inner.items():
            path = f"{name}.{key}" if key else name
            given[path] = _Given(f"{file}: {path}", each, is_text=False)
    return given


def _of_environment(environ: Mapping[str, str]) -> dict[str, _Given]:
    return {
        name.removeprefix(PREFIX).lower().replace("__", "."): _Given(name, value, is_text=True)
        for name, value in environ.items()
        if name.startswith(PREFIX) and not name.startswith(_RESERVED)
    }


def _build(kind: type[T], table: str, given: dict[str, _Given], **parts: Any) -> T:
    """Make a value of the keys that are its own, and take those out of ``given``."""
    values: dict[str, Any] = dict(parts)
    places: dict[str, str] = {}
    for name, key in _keys(kind).items():
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


def _keys(kind: type) -> dict[str, _Key]:
    hints = get_type_hints(kind)
    keys = {}
    for name in (field.name for field in fields(kind)):
        if name in _TABLES or name in _LEFT_OUT:
            continue
        hint = getattr(hints[name], "__supertype__", hints[name])
        if hint is timedelta:
            keys[f"{name}_s"] = _Key(name, _span)
        elif get_origin(hint) is tuple:
            keys[name] = _Key(name, _waits)
        elif Decimal in (hint, *get_args(hint)):
            keys[name] = _Key(name, _amount)
        else:
            keys[name] = _Key(name, _READERS.get(hint, _plain))
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
    if isinstance(value, str) and value in _SESSIONS:
        return _SESSIONS[value]
    raise InvalidInputError(where, f"give one of {', '.join(_SESSIONS)}")


_READERS: Final[Mapping[Any, Callable[[str, Any], Any]]] = {str: _text, Session: _session}


def _hint(key: str) -> str:
    known = [_STORE, *_keys(Settings)]
    known += [f"{table}.{name}" for table, kind in _TABLES.items() for name in _keys(kind)]
    near = get_close_matches(key, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
