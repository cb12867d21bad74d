"""Price bars from CSV files, read strictly: a bad row is named by file and line."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from domain.errors import InvalidInputError
from domain.money import parse_decimal
from domain.session import Session
from domain.signal import parse_symbol
from domain.terms import Symbol

PRICES = ("open", "high", "low", "close")
REQUIRED = ("symbol", *PRICES, "volume")
_WHEN = ("datetime", "date", "time")

# Days outside are slips of the pen; inside, no arithmetic with days can overflow.
_YEARS = range(1900, 2200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What one symbol did in one day, or in one shorter span.

    Attributes:
        at: When it begins, aware; a daily bar begins with its day's session.
        is_daily: It stands for a whole day.
        volume: Shares; zero when the symbol was not traded.
    """

    symbol: Symbol
    at: datetime
    is_daily: bool
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True)
class _Place:
    """Where something stands, for whoever has to correct it."""

    path: Path
    line: int

    def wrong(self, problem: str) -> InvalidInputError:
        return InvalidInputError(f"{self.path}:{self.line}", problem)


@dataclass(frozen=True, slots=True)
class _Found:
    bar: Bar
    place: _Place


def read_bars(paths: Sequence[Path], session: Session) -> tuple[Bar, ...]:
    """Return the bars of all files, by time and then by symbol.

    Args:
        paths: CSV files (UTF-8) with the columns ``date`` or ``datetime`` or ``time``, ``symbol``,
            ``open``, ``high``, ``low``, ``close``, ``volume``, in any order and case.
        session: The time zone of times without one, and when a day begins.

    Raises:
        InvalidInputError: A file or a row cannot be used; file and line are named.
    """
    found = [each for path in paths for each in _read_file(path, session)]
    found.sort(key=lambda each: (each.bar.at, each.bar.symbol))
    _check_together(found)
    return tuple(each.bar for each in found)


def _read_file(path: Path, session: Session) -> Iterator[_Found]:
    """Yield the bars of one file, which are in order of time for each symbol."""
    last: dict[Symbol, datetime] = {}
    is_empty = True
    for place, row in _rows(path):
        is_empty = False
        bar = _bar(row, place, session)
        before = last.get(bar.symbol)
        if before is not None and bar.at <= before:
            raise place.wrong(_order_problem(bar, before))
        last[bar.symbol] = bar.at
        yield _Found(bar, place)
    if is_empty:
        raise InvalidInputError(str(path), "there is no row of prices in it; check the file")


def _order_problem(bar: Bar, before: datetime) -> str:
    if bar.at == before:
        return f"a second row of {bar.symbol} for that time; keep one of them"
    return f"earlier than the row of {bar.symbol} before it; sort the file by time"


def _check_together(found: Sequence[_Found]) -> None:
    """Check what only all files together show; they are sorted by time and symbol."""
    for before, this in pairwise(found):
        if (before.bar.at, before.bar.symbol) == (this.bar.at, this.bar.symbol):
            first = f"{before.place.path}:{before.place.line}"
            problem = f"{this.bar.symbol} has a row for that time in {first} as well; keep one"
            raise this.place.wrong(problem)
        if before.bar.is_daily != this.bar.is_daily:
            first = f"{before.place.path}:{before.place.line}"
            problem = f"days and times are mixed (compare {first}); replay one kind at a time"
            raise this.place.wrong(problem)


def _rows(path: Path) -> Iterator[tuple[_Place, Mapping[str, str]]]:
    """Yield each row by the names of its columns; blank lines are left out."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    names: tuple[str, ...] = ()
    try:
        for cells in reader:
            place = _Place(path, reader.line_num)
            if not any(cell.strip() for cell in cells):
                continue
            if not names:
                names = _header(cells, place)
            elif len(cells) != len(names):
                problem = f"{len(cells)} cells under {len(names)} columns; check commas and quotes"
                raise place.wrong(problem)
            else:
                yield place, dict(zip(names, (cell.strip() for cell in cells), strict=True))
    except csv.Error as error:
        problem = f"not CSV ({error}); check the quotes"
        raise _Place(path, reader.line_num).wrong(problem) from error


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        problem = f"cannot be read ({error.strerror}); name a CSV file"
        raise InvalidInputError(str(path), problem) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The place counts from after the byte order mark, which holds no line end.
        line = error.object[: error.start].count(b"\n") + 1
        problem = "not UTF-8; save the file as CSV UTF-8"
        raise _Place(path, line).wrong(problem) from error


def _header(cells: Sequence[str], place: _Place) -> tuple[str, ...]:
    names = tuple(cell.strip().lower() for cell in cells)
    missing = [name for name in REQUIRED if name not in names]
    if not any(name in names for name in _WHEN):
        missing.insert(0, "date")
    if missing:
        problem = f"no column {', '.join(missing)}; name the columns in the first line"
        raise place.wrong(problem)
    for name in (*_WHEN, *REQUIRED):
        if names.count(name) > 1:
            problem = f"two columns {name}; keep one of them"
            raise place.wrong(problem)
    return names


def _bar(row: Mapping[str, str], place: _Place, session: Session) -> Bar:
    try:
        at, is_daily = _moment(row, session)
        prices = {name: _price(name, row[name]) for name in PRICES}
        volume = parse_decimal("volume", row["volume"])
        symbol = parse_symbol(row["symbol"])
    except InvalidInputError as error:
        raise place.wrong(str(error)) from error
    bar = Bar(symbol=symbol, at=at, is_daily=is_daily, volume=volume, **prices)
    contradiction = _contradiction(bar)
    if contradiction is not None:
        problem = f"{contradiction}; correct or remove the row"
        raise place.wrong(problem)
    return bar


def _contradiction(bar: Bar) -> str | None:
    if bar.volume < 0:
        return "volume is below zero"
    if bar.high < bar.low:
        return "high is below low"
    for name, px in (("open", bar.open), ("close", bar.close)):
        if not bar.low <= px <= bar.high:
            return f"{name} is not between low and high"
    return None


def _price(name: str, text: str) -> Decimal:
    px = parse_decimal(name, text)
    if px <= 0:
        problem = "give a price above zero; a day without trading has volume 0, or no row"
        raise InvalidInputError(name, problem)
    return px


def _moment(row: Mapping[str, str], session: Session) -> tuple[datetime, bool]:
    """Return when a bar begins, and whether it is a whole day: a date, or midnight there."""
    name, text = _when(row)
    # Digits of other scripts would be taken by fromisoformat.
    at = _parsed(text) if text.isascii() else None
    if at is None or at.year not in _YEARS:
        problem = "give an ISO date or time, for example 2024-01-02 or 2024-01-02T09:05"
        raise InvalidInputError(name, problem)
    local = at.replace(tzinfo=session.tz) if at.utcoffset() is None else at.astimezone(session.tz)
    if local.time() != time.min:
        return local, False
    return _begin_of(local.date(), session), True


def _parsed(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _when(row: Mapping[str, str]) -> tuple[str, str]:
    """Return the column that says when, and its text; a date and a time make one moment."""
    if "datetime" in row:
        return "datetime", row["datetime"]
    if "date" not in row:
        return "time", row["time"]
    time_text = row.get("time", "")
    return "date", f"{row['date']}T{time_text}" if time_text else row["date"]


def _begin_of(day: date, session: Session) -> datetime:
    opens = time.min if session.always_open else session.opens
    return datetime.combine(day, opens, tzinfo=session.tz)
