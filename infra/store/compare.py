"""Are the tables that screens read what the journal makes of them; and do their sums agree?"""

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Table

from domain.errors import StoreError
from infra.store.findings import Check, Findings
from infra.store.reading import Reader
from infra.store.replay import REPLAY_ERRORS
from infra.store.scratch import PROJECTIONS, PlainRow, Scratch
from infra.store.sums import Sums
from infra.store.tables import CHECKPOINTS, DAILY_PNL, FILLS, ORDERS, POSITIONS

NAMES: Final = {
    ORDERS.name: "orders",
    FILLS.name: "fills",
    POSITIONS.name: "positions",
    DAILY_PNL.name: "daily pnl",
    CHECKPOINTS.name: "checkpoint",
}


def compare(reader: Reader, fresh: Scratch, findings: Findings) -> tuple[Check, ...]:
    """Compare every projection, row by row and byte by byte, with the fresh one."""
    sums = Sums()
    checks = [_compare_table(table, reader, fresh, findings, sums) for table in PROJECTIONS]
    for problem in sums.problems():
        findings.note("sums", problem)
    return (*checks, findings.check("sums", "orders, fills, positions and days agree"))


def _compare_table(
    table: Table, reader: Reader, fresh: Scratch, findings: Findings, sums: Sums
) -> Check:
    name, take = NAMES[table.name], sums.takers.get(table.name)
    columns = table.c.keys()
    places = [columns.index(key.name) for key in table.primary_key.columns]
    count = 0

    def shown() -> Iterator[PlainRow]:
        for row in reader.plain_rows(table):
            plain = tuple(map(_plain, row))
            if take is not None:
                _try(take, dict(zip(columns, plain, strict=True)), findings)
            yield plain

    def key_of(row: PlainRow) -> tuple[Any, ...]:
        return tuple(_rank(row[place]) for place in places)

    try:
        for expected, found in _side_by_side(map(tuple, fresh.rows(table)), shown(), key_of):
            count += expected is not None
            if expected != found:
                _note_difference(expected, found, table, findings)
    except StoreError as error:
        findings.note(name, str(error))
    return findings.check(name, f"{count:,} agree")


def _note_difference(
    expected: PlainRow | None, found: PlainRow | None, table: Table, findings: Findings
) -> None:
    columns, name = table.c.keys(), NAMES[table.name]
    if expected is None:
        assert found is not None
        findings.note(name, f"{found[0]} is not in the journal")
    elif found is None:
        findings.note(name, f"{expected[0]} is missing")
    else:
        pairs = zip(columns, expected, found, strict=True)
        wrong = [column for column, wanted, has in pairs if not _is_same(wanted, has)]
        if wrong:
            what = ", ".join(wrong)
            findings.note(name, f"{expected[0]} is not what the journal says ({what})")


def _side_by_side(
    left: Iterator[PlainRow], right: Iterator[PlainRow], key_of: Callable[[PlainRow], Any]
) -> Iterator[tuple[PlainRow | None, PlainRow | None]]:
    """Pair rows with the same key; both sides come in the order of their keys."""
    one, other = next(left, None), next(right, None)
    while one is not None or other is not None:
        if other is None or (one is not None and key_of(one) < key_of(other)):
            yield one, None
            one = next(left, None)
        elif one is None or key_of(other) < key_of(one):
            yield None, other
            other = next(right, None)
        else:
            yield one, other
            one, other = next(left, None), next(right, None)


def _rank(value: Any) -> tuple[int, Any]:
    """Order values of any type as SQLite does."""
    match value:
        case None:
            return 0, 0
        case int() | float():
            return 1, value
        case str():
            return 2, value
        case _:
            return 3, value


def _plain(value: Any) -> Any:
    """Return a value of a server's as SQLite has it; a number may lack its exponent."""
    if isinstance(value, date):
        return value.isoformat()
    return value


def _is_same(wanted: Any, has: Any) -> bool:
    if isinstance(has, Decimal):
        return isinstance(wanted, str) and Decimal(wanted) == has
    # A server cannot hold the character NUL in a text.
    return bool(wanted == has) or (
        isinstance(wanted, str) and "\0" in wanted and wanted.replace("\0", "\ufffd") == has
    )


def _try(take: Callable[[dict[str, Any]], None], row: dict[str, Any], findings: Findings) -> None:
    try:
        take(row)
    except REPLAY_ERRORS as error:
        findings.note("sums", f"a value cannot be counted: {error!r}")
