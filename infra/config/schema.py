"""The JSON schema of a file of settings, made from the classes that it fills."""

import inspect
import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, get_args, get_origin

from domain.session import Session
from domain.settings import Settings
from infra.config.reader import SESSIONS, STORE, TABLES, Key, keys_of
from infra.config.shown import plain

_NUMBERS: Final[Mapping[Any, str]] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
}
_ATTRIBUTE: Final = re.compile(r"^    (\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)


def schema() -> dict[str, Any]:
    """Return the schema, for editors and other programs; ``config check`` looks closer."""
    store = {"type": "string", "description": "A folder, a file or a postgresql:// URL."}
    tables = {
        name: _table(kind) | {"description": (inspect.getdoc(kind) or "").partition("\n")[0]}
        for name, kind in TABLES.items()
    }
    whole = _table(Settings)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of an Oncefill engine",
        **whole,
        "properties": {STORE: store, **whole["properties"], **tables},
    }


def _table(kind: type) -> dict[str, Any]:
    defaults, about = kind(), _attributes(kind)
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            name: _described(key, getattr(defaults, key.field), about.get(key.field))
            for name, key in keys_of(kind).items()
        },
    }


def _described(key: Key, default: Any, about: str | None) -> dict[str, Any]:
    described = _type_of(key.hint)
    if default is not None:
        described["default"] = plain(default)
    return described if about is None else described | {"description": about}


def _type_of(hint: Any) -> dict[str, Any]:
    choices = [each for each in get_args(hint) if each is not type(None)]
    if get_origin(hint) is tuple:
        return {"type": "array", "items": _type_of(choices[0])}
    kind = choices[0] if choices else hint
    if kind is Session:
        return {"enum": list(SESSIONS)}
    if kind is timedelta:
        return {"type": "number", "exclusiveMinimum": 0}
    if kind is Decimal:
        return {"type": ["number", "string"]}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [each.value for each in kind]}
    return {"type": _NUMBERS[kind]}


def _attributes(kind: type) -> dict[str, str]:
    found = _ATTRIBUTE.findall(inspect.getdoc(kind) or "")
    return {name: " ".join(text.split()) for name, text in found}
