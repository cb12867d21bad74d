"""The options of ``export``, ``report``, ``config`` and ``db``; imports nothing heavy."""

import argparse
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

_AddParser = Callable[..., argparse.ArgumentParser]
_AddTo = Callable[[_AddParser, str, str], argparse.ArgumentParser]


def add_desk(
    add: _AddParser, add_to: _AddTo, *, day: Callable[[str], date]
) -> Sequence[argparse.ArgumentParser]:
    """Add the commands; return the parsers that also want a store and JSON."""
    export = add("export", "write all orders, fills or days as CSV or lines of JSON")
    export.add_argument("what", choices=("orders", "fills", "pnl"), metavar="orders|fills|pnl")
    export.add_argument("--format", choices=("csv", "jsonl"), default="csv", help="default csv")
    about = "write this file, whole or not at all (default: print)"
    export.add_argument("--out", type=Path, metavar="FILE", help=about)
    report = add("report", "show one trade date: orders, fills, results, problems, halts")
    report.add_argument("--day", type=day, required=True, metavar="YYYY-MM-DD")
    report.add_argument("--html", type=Path, metavar="FILE", help="write a page as well")
    _add_config(add, add_to)
    db = add("db", "upgrade the tables of an older store, or back a store up")
    actions = db.add_subparsers(dest="action", required=True).add_parser
    upgrade = add_to(actions, "upgrade", "upgrade the tables; no engine may run on the store")
    backup = add_to(actions, "backup", "copy a store file, engine running or not, and audit it")
    backup.add_argument("file", type=Path, metavar="FILE", help="a new file, for the copy")
    return export, report, upgrade, backup


def _add_config(add: _AddParser, add_to: _AddTo) -> None:
    config = add("config", "show or check an engine's settings, or print the schema of their file")
    actions = config.add_subparsers(dest="action", required=True).add_parser
    show = add_to(actions, "show", "show every setting and where it comes from; never a secret")
    check = add_to(actions, "check", "check the settings without starting an engine")
    schema = add_to(actions, "schema", "print the JSON schema of a file of settings")
    for action in (show, check):
        action.add_argument("--config", type=Path, metavar="FILE", help="settings, as TOML")
    for action in (show, check, schema):
        action.add_argument("--json", action="store_true", help="print JSON")
