"""The settings as they are shown: each key with its value and where that came from; no secrets."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from domain.session import Session
from infra.config.reader import STORE, TABLES, Config, keys_of

DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One setting.

    Attributes:
        value: As TOML and JSON write it; None when it is not given and has no default, and for
            a secret.
        where: Which source won, ``default`` for none.
    """

    key: str
    value: Any
    where: str
    is_secret: bool


def shown(config: Config) -> Iterator[Shown]:
    """Yield every key there is, the store first."""
    yield _of(config, STORE, config.store)
    settings = config.settings
    for name, key in keys_of(type(settings)).items():
        yield _of(config, name, getattr(settings, key.field))
    for table, kind in TABLES.items():
        part = getattr(settings, table)
        for name, key in keys_of(kind).items():
            yield _of(config, f"{table}.{name}", getattr(part, key.field))


def plain(value: Any) -> Any:
    """Return a setting's value as TOML and JSON write it; a Decimal as exact text."""
    match value:
        case timedelta():
            return value.total_seconds()
        case Decimal():
            return str(value)
        case Session() | Enum():
            return value.name
        case tuple():
            return [plain(each) for each in value]
        case _:
            return value


def _of(config: Config, key: str, value: Any) -> Shown:
    given = config.given.get(key)
    is_secret = given is not None and given.is_secret
    return Shown(
        key=key,
        value=None if is_secret else plain(value),
        where=DEFAULT if given is None else given.where,
        is_secret=is_secret,
    )
