"""Tampering by chance, as somebody with the store and enough time would do it: tests the audit.

Each tampering is one change to a copy, made with the journal's triggers out of the way.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Connection,
    Text,
    cast,
    column,
    delete,
    insert,
    literal_column,
    select,
    table,
    update,
)
from sqlalchemy.exc import DataError, IntegrityError

from domain.errors import StoreError
from domain.ports import Clock
from infra.store.audit import verify
from infra.store.chain import row_hash
from infra.store.dialect import DIALECT
from infra.store.drill_copies import copies_of, drop_guards, put_guards
from infra.store.places import Place, writers_of
from infra.store.reading import open_reader_at
from infra.store.rebuild import rewrite
from infra.store.scratch import PROJECTIONS
from infra.store.tables import JOURNAL, META
from infra.store.views import Head

# The tables as an intruder sees them: without the types that keep values in form.
_PLAIN: Final = {
    each.name: table(each.name, *(column(one.name) for one in each.c))
    for each in (JOURNAL, META, *PROJECTIONS)
}
_JOURNAL: Final = _PLAIN[JOURNAL.name]
_SHOWN: Final = (META.name, *(each.name for each in PROJECTIONS))

_Way: TypeAlias = Callable[[Connection, Random], str | None]


@dataclass(frozen=True, slots=True)
class Tampering:
    """One change, in words, and the checks of the audit that noticed it."""

    number: int
    what: str
    found_by: tuple[str, ...]


def drill(
    store: Place, folder: Path, *, count: int, random: Random, clock: Clock
) -> Generator[Tampering, None, None]:
    """Tamper ``count`` times, each time with a fresh copy of the store, and verify it.

    The head of the store as it is stands for one that was noted elsewhere. A file is copied into
    ``folder``, a schema into new ones of the same database, which are dropped at the end.

    Raises:
        StoreError: The store is not sound before anything is done to it, or has no orders.
    """
    with copies_of(store, folder) as copies:
        with open_reader_at(copies.original) as reader:
            noted, is_sound = reader.head(), verify(reader).ok
            has_orders = bool(reader.orders(limit=1))
        if not is_sound or not has_orders:
            msg = (
                f"{store} is not sound, or holds no orders; run audit verify, or name another "
                "store."
            )
            raise StoreError(msg)
        for number in range(1, count + 1):
            tampered = copies.fresh()
            what = tamper(tampered, random, clock)
            yield Tampering(number, what, _found_by(tampered, noted))


def _found_by(tampered: Place, noted: Head) -> tuple[str, ...]:
    try:
        with open_reader_at(tampered) as reader:
            report = verify(reader, (noted,))
    except StoreError:
        # It cannot even be opened as a store.
        return ("opening",)
    return tuple(check.name for check in report.checks if not check.ok)


def tamper(place: Place, random: Random, clock: Clock) -> str:
    """Change something in the store at ``place``; return what."""
    what = None
    while what is None:
        what = _try(place, random)
    if what.startswith("cut") and random.choice((True, False)):
        # So that nothing but a noted head tells.
        rewrite(place, clock=clock)
        what = f"{what}, its tables made to fit"
    return what


def _try(place: Place, random: Random) -> str | None:
    way = random.choice(_WAYS)
    with writers_of(place).connect() as connection:
        drop_guards(connection)
        try:
            what = way(connection, random)
        except (IntegrityError, DataError):
            # Another row is there already, or no such value can be: the database itself refuses.
            what = None
        if what is None:
            connection.rollback()
            return None
        put_guards(connection)
        connection.commit()
    return what


def _flip_in_journal(connection: Connection, random: Random) -> str | None:
    return _flip(connection, random, JOURNAL.name)


def _flip_in_tables(connection: Connection, random: Random) -> str | None:
    return _flip(connection, random, random.choice(_SHOWN))


def _flip(connection: Connection, random: Random, name: str) -> str | None:
    """Flip one bit of one value."""
    row = _any_row(connection, random, name)
    if row is None:
        return None
    chosen = random.choice([key for key in row if key != "rowid"])
    return _set(connection, name, row["rowid"], {chosen: _flipped(row[chosen], random)})


def _set(connection: Connection, name: str, rowid: Any, values: Mapping[str, Any]) -> str | None:
    plain = {key: _storable(connection, value) for key, value in values.items()}
    if any(value is None for value in plain.values()):
        return None
    place = _PLAIN[name]
    connection.execute(update(place).where(_rowid(connection) == rowid).values(plain))
    return f"changed {', '.join(values)} of row {rowid} in {name}"


def _storable(connection: Connection, value: Any) -> Any:
    """Return the value as the database takes it; None when it takes only texts that are ones."""
    if not isinstance(value, bytes):
        return value
    if _is_file(connection):
        return cast(value, Text)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _flipped(value: Any, random: Random) -> Any:
    match value:
        case str() if value:
            content = bytearray(value.encode())
            content[random.randrange(len(content))] ^= 1 << random.randrange(8)
            return bytes(content)
        case bool():
            return not value
        case int():
            return value ^ (1 << random.randrange(16))
        case Decimal():
            return value + Decimal(1 << random.randrange(16)).scaleb(-random.randrange(9))
        case date():
            return date.fromordinal(value.toordinal() ^ (1 << random.randrange(16)))
        case _:
            return None


def _delete_row(connection: Connection, random: Random) -> str | None:
    name = random.choice((JOURNAL.name, *_SHOWN))
    row = _any_row(connection, random, name)
    if row is None:
        return None
    place = _PLAIN[name]
    connection.execute(delete(place).where(_rowid(connection) == row["rowid"]))
    return f"deleted row {row['rowid']} of {name}"


def _insert_row(connection: Connection, random: Random) -> str | None:
    """Put a copy of a journal row between others, which move on."""
    row = _any_row(connection, random, JOURNAL.name)
    if row is None:
        return None
    seq = _JOURNAL.c.seq
    after = random.randint(0, _last(connection))
    connection.execute(update(_JOURNAL).where(seq > after).values(seq=-seq))
    connection.execute(update(_JOURNAL).where(seq < 0).values(seq=1 - seq))
    copy = {key: value for key, value in row.items() if key != "rowid"}
    version = copy["stream_seq"] + 1_000
    connection.execute(insert(_JOURNAL).values(copy | {"seq": after + 1, "stream_seq": version}))
    return f"inserted a row after {after}"


def _swap_rows(connection: Connection, random: Random) -> str | None:
    one, other = (random.randint(1, _last(connection)) for _ in range(2))
    seq = _JOURNAL.c.seq
    for old, new in ((one, -1), (other, one), (-1, other)):
        connection.execute(update(_JOURNAL).where(seq == old).values(seq=new))
    return f"exchanged rows {one} and {other}" if one != other else None


def _swap_values(connection: Connection, random: Random) -> str | None:
    name = random.choice((JOURNAL.name, *_SHOWN))
    one, other = (_any_row(connection, random, name) for _ in range(2))
    if one is None or other is None:
        return None
    chosen = random.choice([key for key in one if key != "rowid"])
    if one[chosen] == other[chosen]:
        return None
    _set(connection, name, one["rowid"], {chosen: other[chosen]})
    return _set(connection, name, other["rowid"], {chosen: one[chosen]})


def _cut_tail(connection: Connection, random: Random) -> str | None:
    last = random.randint(1, _last(connection)) - 1
    connection.execute(delete(_JOURNAL).where(_JOURNAL.c.seq > last))
    return f"cut off all after row {last}"


def _chain_again(connection: Connection, random: Random) -> str | None:
    """Change what a row says, and make every hash from there on fit."""
    start = _any_row(connection, random, JOURNAL.name)
    if start is None or not any(digit in start["data"] for digit in "12345678"):
        return None
    digit = random.choice([each for each in start["data"] if each in "12345678"])
    data = start["data"].replace(digit, str(int(digit) + 1), 1)
    later = select(_JOURNAL).where(_JOURNAL.c.seq >= start["seq"]).order_by(_JOURNAL.c.seq)
    previous = start["prev_hash"]
    for row in connection.execute(later).mappings().all():
        text = data if row["seq"] == start["seq"] else row["data"]
        head = (row["seq"], row["stream"], row["stream_seq"], row["kind"], row["topics"])
        digest = row_hash((previous, *head, text, row["recorded_at"]))
        values = {"data": text, "prev_hash": previous, "hash": digest}
        connection.execute(update(_JOURNAL).where(_JOURNAL.c.seq == row["seq"]).values(values))
        previous = digest
    return f"changed the data of row {start['seq']} and made the chain again"


def _any_row(connection: Connection, random: Random, name: str) -> dict[str, Any] | None:
    place, rowid = _PLAIN[name], _rowid(connection)
    rowids = connection.execute(select(rowid).select_from(place)).scalars().all()
    if not rowids:
        return None
    chosen = select(rowid.label("rowid"), place).where(rowid == random.choice(rowids))
    return dict(connection.execute(chosen).mappings().one())


def _rowid(connection: Connection) -> ColumnElement[Any]:
    """Return what tells rows of a table apart, whatever is changed in their columns."""
    return literal_column("rowid" if _is_file(connection) else "CAST(ctid AS text)")


def _is_file(connection: Connection) -> bool:
    return connection.dialect.name == DIALECT.name


def _last(connection: Connection) -> int:
    chosen = select(_JOURNAL.c.seq).order_by(_JOURNAL.c.seq.desc()).limit(1)
    return int(connection.execute(chosen).scalar_one())


_WAYS: Final[tuple[_Way, ...]] = (
    *(_flip_in_journal,) * 4,
    *(_flip_in_tables,) * 4,
    _delete_row,
    _insert_row,
    _swap_rows,
    _swap_values,
    _cut_tail,
    _chain_again,
)
