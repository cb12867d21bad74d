"""How the commands show things: tables on a terminal, plain lines elsewhere, JSON on request.

Numbers have thousands separators and are never cut; times are the exchange's. Text from outside
loses its control characters, so that no broker can write on the terminal.
"""

import dataclasses
import io
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, TypeAlias

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.instrument import Instruments
from domain.money import round_half_even, trim
from domain.session import KST
from domain.terms import OrderStatus, Symbol
from infra.plain import clean
from infra.store.codec import utc_text

ZONE: Final = "KST"
NOTHING: Final = "-"
_GAP: Final = 2
_FLEXIBLE_MIN: Final = 16
_WRAPPED_MIN: Final = 48
_CENT: Final = Decimal("0.01")
_INSTRUMENTS: Final = Instruments()
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400

# Good, look at it, bad. Amounts carry a sign and no colour: red is a gain in Seoul.
_STYLES: Final[Mapping[str, str]] = {
    OrderStatus.PENDING: "dim",
    OrderStatus.SUBMITTED: "cyan",
    OrderStatus.IN_DOUBT: "bold yellow",
    OrderStatus.PARTIAL: "cyan",
    OrderStatus.FILLED: "green",
    OrderStatus.CANCELLED: "dim",
    OrderStatus.EXPIRED: "dim",
    OrderStatus.REJECTED: "red",
    OrderStatus.FAILED: "red",
    "ok": "green",
    "warn": "yellow",
    "FAIL": "bold red",
}

Cell: TypeAlias = str


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table.

    Attributes:
        is_number: Aligned to the right, never cut.
        is_flexible: Takes what width is left, and is cut with an ellipsis.
        wraps: Is flexible, and goes on in the next line instead.
        drop: Left out of a narrow terminal, the highest first; 0 stays always.
    """

    title: str
    is_number: bool = False
    is_flexible: bool = False
    wraps: bool = False
    drop: int = 0


def number(value: Decimal | int | None) -> str:
    """Return ``1,234.5``, exact; a dash for None."""
    return NOTHING if value is None else f"{trim(Decimal(value)):,f}"


def amount(value: Decimal | None) -> str:
    """Return money to two decimals at most, half to even; a dash for None."""
    return NOTHING if value is None else number(round_half_even(value, _CENT))


def signed(value: Decimal) -> str:
    """Return an amount with its sign: ``+200,000``, ``-1,234.5``, ``0``."""
    text = amount(value)
    return f"+{text}" if value > 0 and text != "0" else text


def exchange_time(at: datetime | None, *, ms: bool = False) -> str:
    """Return ``2026-03-02 10:00:00`` (with ``ms`` to the millisecond), in exchange time."""
    if at is None:
        return NOTHING
    local = at.astimezone(KST).replace(tzinfo=None)
    return local.isoformat(sep=" ", timespec="milliseconds" if ms else "seconds")


def seconds(value: float) -> str:
    """Return a number of seconds in words: ``0.5 s``, ``2 s``."""
    return f"{value:,.3f}".rstrip("0").rstrip(".") + " s"


def duration(span: timedelta) -> str:
    """Return how long: ``0.003 s``, ``2 min 05 s``, ``3 h 10 min``, ``2 d 04 h``."""
    total_s = span.total_seconds()
    if total_s < 0:
        return f"-{duration(-span)}"
    if total_s < _MINUTE_S:
        return f"{total_s:.3f} s"
    whole_s = int(total_s)
    if whole_s < _HOUR_S:
        return f"{whole_s // _MINUTE_S} min {whole_s % _MINUTE_S:02d} s"
    if whole_s < _DAY_S:
        return f"{whole_s // _HOUR_S} h {whole_s % _HOUR_S // _MINUTE_S:02d} min"
    return f"{whole_s // _DAY_S:,} d {whole_s % _DAY_S // _HOUR_S:02d} h"


def counted(count: int, noun: str) -> str:
    """Return ``1 fill``, ``1,200 fills``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def name_of(symbol: str) -> str:
    """Return the security's name, or nothing when it is not known."""
    return _INSTRUMENTS.get(Symbol(symbol)).name


def security(symbol: str) -> str:
    """Return the symbol with its name where known: ``005930 삼성전자``."""
    return f"{symbol} {name_of(symbol)}".rstrip()


def short(text: str, length: int) -> str:
    """Return at most ``length`` characters, an ellipsis at the end of what was longer."""
    return text if len(text) <= length else text[: length - 1] + "…"


def is_terminal() -> bool:
    """Return whether a person looks at standard output."""
    return sys.stdout.isatty()


def say(text: str = "", *, style: str = "") -> None:
    """Print a line of text; ``style`` only on a terminal."""
    text = clean(text)
    if is_terminal():
        _console().print(Text(text, style=style))
    else:
        _print(text)


def show_facts(facts: Mapping[str, str]) -> None:
    """Print a name and a value on each line, the values below each other."""
    width = max(map(len, facts))
    for key, value in facts.items():
        if is_terminal():
            line = Text(f"{key:<{width}}  ", style="dim")
            line.append(clean(value), style=_STYLES.get(value, "default"))
            _console().print(line)
        else:
            _print(f"{key:<{width}}  {clean(value)}")


def show_table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> None:
    """Print rows: a table that fits the terminal, or plain lines with everything in them."""
    cleaned = [tuple(map(clean, row)) for row in rows]
    if not is_terminal():
        _show_lines(columns, cleaned)
        return
    console = _console()
    chosen, widths = _fit(columns, cleaned, console.width)
    if sum(widths) + _GAP * (len(widths) - 1) > console.width:
        # A table this narrow would lose digits; lines that the terminal wraps lose nothing.
        _show_lines(columns, cleaned)
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
    for index, width in zip(chosen, widths, strict=True):
        column = columns[index]
        table.add_column(
            column.title,
            justify="right" if column.is_number else "left",
            width=width,
            no_wrap=column.is_flexible and not column.wraps,
            overflow="ellipsis" if column.is_flexible and not column.wraps else "fold",
        )
    for row in cleaned:
        table.add_row(*(Text(row[index], style=_STYLES.get(row[index], "")) for index in chosen))
    console.print(table)
    _name_hidden(console, columns, chosen)


def print_json(value: Any) -> None:
    """Print a value as JSON: Decimals as text, times in UTC."""
    # A terminal of another encoding gets escapes, which are JSON as well.
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    _print(json.dumps(jsonable(value), ensure_ascii=not is_utf8, indent=2))


def jsonable(value: Any) -> Any:
    """Return plain JSON values: a Decimal as exact text, a time in UTC, a dataclass as object."""
    match value:
        case Enum():
            return value.value
        case Decimal():
            return f"{trim(value):f}"
        case datetime():
            return utc_text(value)
        case date():
            return value.isoformat()
        case Mapping():
            return {str(key): jsonable(each) for key, each in value.items()}
        case tuple() | list():
            return [jsonable(each) for each in value]
        case None | bool() | int() | float() | str():
            return value
        case _:
            assert dataclasses.is_dataclass(value), f"no JSON for {type(value).__name__}"
            fields = dataclasses.fields(value)
            return {field.name: jsonable(getattr(value, field.name)) for field in fields}


def _fit(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int
) -> tuple[list[int], list[int]]:
    """Return the columns that fit, by index, and the width of each."""
    natural = _widths(columns, rows)
    least = [min(wide, _least(column, wide)) for column, wide in zip(columns, natural, strict=True)]
    chosen = list(range(len(columns)))
    while _total(least, chosen) > width:
        droppable = [index for index in chosen if columns[index].drop]
        if not droppable:
            least = [
                min(each, _FLEXIBLE_MIN) if c.wraps else each
                for c, each in zip(columns, least, strict=True)
            ]
            break
        chosen.remove(max(droppable, key=lambda index: columns[index].drop))
    # What is left goes to the flexible columns, the last one first.
    spare = max(0, width - _total(least, chosen))
    for index in reversed(chosen):
        more = min(spare, natural[index] - least[index])
        least[index] += more
        spare -= more
    return chosen, [least[index] for index in chosen]


def _least(column: Column, natural: int) -> int:
    if column.wraps:
        return _WRAPPED_MIN
    return _FLEXIBLE_MIN if column.is_flexible else natural


def _total(widths: Sequence[int], chosen: Sequence[int]) -> int:
    return sum(widths[index] for index in chosen) + _GAP * (len(chosen) - 1)


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    cells = [[column.title for column in columns], *rows]
    return [max(cell_len(row[index]) for row in cells) for index in range(len(columns))]


def _name_hidden(console: Console, columns: Sequence[Column], chosen: Sequence[int]) -> None:
    hidden = [column.title for index, column in enumerate(columns) if index not in chosen]
    if hidden:
        note = f"Left out for lack of width: {', '.join(hidden)}. Widen the window, or use --json."
        console.print(Text(note, style="dim"))


def _show_lines(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    widths = _widths(columns, rows)
    for row in ([column.title for column in columns], *rows):
        cells = [
            " " * (width - cell_len(cell)) + cell
            if column.is_number
            else cell + " " * (width - cell_len(cell))
            for column, width, cell in zip(columns, widths, row, strict=True)
        ]
        _print((" " * _GAP).join(cells).rstrip())


def _console() -> Console:
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False)


def _print(text: str) -> None:
    # An old locale must not turn a name into a crash.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    print(text)
