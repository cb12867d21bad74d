"""Whole tables for other programs: rows of plain values, a part at a time; and as lines of text."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec
from sqlalchemy import Select, select

from domain.money import trim
from domain.position import DailyPnl
from infra.store.codec import utc_text
from infra.store.reading import Reader
from infra.store.tables import DAILY_PNL, FILLS, ORDERS

Value: TypeAlias = str | int | bool | Decimal | date | datetime | None

_TABLES: Final[Mapping[str, Select[Any]]] = {
    "orders": select(ORDERS).order_by(ORDERS.c.created_at, ORDERS.c.client_order_id),
    "fills": select(FILLS).order_by(FILLS.c.seq),
    "pnl": select(
        DAILY_PNL.c.day, DAILY_PNL.c.realized_gross, DAILY_PNL.c.fees, DAILY_PNL.c.taxes
    ).order_by(DAILY_PNL.c.day),
}
# What makes a spreadsheet take a text for a formula (OWASP, CSV Injection); the wide forms as well.
_STARTS_A_FORMULA: Final = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
_ENCODE: Final = msgspec.json.Encoder().encode


def columns(what: str) -> tuple[str, ...]:
    """Return the names of the columns of ``orders``, ``fills`` or ``pnl``."""
    names = tuple(_TABLES[what].selected_columns.keys())
    return (*names, "net") if what == "pnl" else names


def rows(reader: Reader, what: str) -> Iterator[tuple[Value, ...]]:
    """Yield all rows of ``orders``, ``fills`` or ``pnl`` as of one moment, oldest first."""
    for row in reader.chosen(_TABLES[what]):
        if what == "pnl":
            day, gross, fees, taxes = row
            net = DailyPnl(day=day, realized_gross=gross, fees=fees, taxes=taxes).net
            yield (*row, net)
        else:
            yield row


def csv_lines(names: Sequence[str], rows: Iterator[tuple[Value, ...]]) -> Iterator[str]:
    """Yield the lines of a CSV file (RFC 4180), its heading first.

    Numbers are exact and stay numbers. A text that a spreadsheet would run gets a ``'`` before
    it; lines of JSON have it as it is.
    """
    writer: Any = csv.writer(_Echo())
    yield writer.writerow(names)
    for row in rows:
        yield writer.writerow([_cell(value) for value in row])


def json_lines(names: Sequence[str], rows: Iterator[tuple[Value, ...]]) -> Iterator[str]:
    """Yield a JSON object for each row: decimals as exact text, times in UTC."""
    for row in rows:
        facts = {name: _plain(value) for name, value in zip(names, row, strict=True)}
        yield _ENCODE(facts).decode() + "\n"


FORMATS: Final[Mapping[str, Callable[..., Iterator[str]]]] = {
    "csv": csv_lines,
    "jsonl": json_lines,
}


class _Echo:
    """A file for ``csv.writer`` that gives each line back."""

    def write(self, line: str) -> str:
        return line


def _cell(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # Some programs drop blanks before they look.
        is_formula = value.lstrip(" ").startswith(_STARTS_A_FORMULA)
        return f"'{value}" if is_formula else value
    return str(_plain(value))


def _plain(value: Value) -> str | int | None:
    match value:
        case Decimal():
            return f"{trim(value):f}"
        case datetime():
            return utc_text(value)
        case date():
            return value.isoformat()
        case _:
            return value
