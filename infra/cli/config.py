"""``run.py config``: what an engine would run with, where that comes from, and is it right."""

import os
import sys
from argparse import Namespace
from collections.abc import Callable
from typing import Final

from domain.errors import InvalidInputError, OncefillError
from infra.cli.render import Column, print_json, say, show_table
from infra.cli.source import store_in
from infra.config import DOTENV, Config, load_config
from infra.config.reader import STORE
from infra.config.schema import schema
from infra.config.shown import DEFAULT, Shown, shown

_FAILED: Final = 1
_COLUMNS: Final = (
    Column(title="setting"),
    Column(title="value", is_flexible=True),
    Column(title="from", wraps=True),
)


def run(args: Namespace) -> int:
    """Show or check the settings, or print the schema of their file.

    Raises:
        InvalidInputError: With ``show``: the settings are of no use.
    """
    actions: dict[str, Callable[[Namespace], int]] = {
        "show": _show,
        "check": _check,
        "schema": _schema,
    }
    return actions[args.action](args)


def _load(args: Namespace) -> Config:
    return load_config(args.config, os.environ, DOTENV)


def _show(args: Namespace) -> int:
    settings = tuple(shown(_load(args)))
    if args.json:
        print_json({"settings": [_facts(each) for each in settings]})
        return 0
    show_table(_COLUMNS, [(each.key, *_value_and_place(each)) for each in settings])
    return 0


def _facts(one: Shown) -> dict[str, object]:
    value = {} if one.is_secret else {"value": one.value}
    return {"setting": one.key, **value, "is_secret": one.is_secret, "from": one.where}


def _value_and_place(one: Shown) -> tuple[str, str]:
    if one.is_secret:
        return f"set (from {one.where})", ""
    if one.value is None:
        return "-", one.where
    is_text = isinstance(one.value, str)
    return one.value if is_text else _written(one.value), one.where


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check(args: Namespace) -> int:
    """0: an engine could start with these. 1: the mistake is named, and what to do."""
    try:
        config = _load(args)
        store = store_in(config.store)
    except OncefillError as error:
        return _say_mistake(args, error)
    given = [each for each in shown(config) if each.where != DEFAULT]
    named = config.given.get(STORE)
    place = None if named is not None and named.is_secret else str(store)
    if args.json:
        print_json({"ok": True, "store": place, "given": [each.key for each in given]})
        return 0
    names = ", ".join(each.key for each in given) or "nothing"
    say(f"The settings are right; given: {names}. The store: {place or 'set'}", style="green")
    return 0


def _say_mistake(args: Namespace, error: OncefillError) -> int:
    field = error.field if isinstance(error, InvalidInputError) else STORE
    problem = str(error).removeprefix(f"{field}: ")
    if args.json:
        print_json({"ok": False, "field": field, "problem": problem})
    else:
        print(f"oncefill: {field}: {problem}", file=sys.stderr)
    return _FAILED


def _schema(_args: Namespace) -> int:
    print_json(schema())
    return 0
