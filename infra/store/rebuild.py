"""The projections made again from the journal: compared, and written back if asked."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, Table, delete
from sqlalchemy.exc import DBAPIError

from domain.errors import StoreError
from domain.ports import Clock
from domain.terms import AccountId
from infra.store.chain import Chain
from infra.store.compare import NAMES, compare
from infra.store.dialect import DriverError
from infra.store.findings import Check, Findings
from infra.store.places import Place, driver_of, take_lock, writers_of
from infra.store.reading import Reader, open_reader_at
from infra.store.replay import Replay
from infra.store.scratch import PROJECTIONS, PlainRow, Scratch
from infra.store.statements import Insert


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What came of it. ``ok``: all tables are what the journal makes of them, by now."""

    ok: bool
    is_written: bool
    checks: tuple[Check, ...]


def rebuild(place: Place) -> Rebuilt:
    """Make the projections again and compare; nothing is written, an engine may run.

    Raises:
        StoreError: The store cannot be read, or its journal is not sound: see audit verify.
    """
    with open_reader_at(place) as reader, reader.snapshot(), Scratch() as fresh:
        checks = _play(reader, fresh)
    return Rebuilt(ok=all(check.ok for check in checks), is_written=False, checks=checks)


def rewrite(place: Place, *, clock: Clock) -> Rebuilt:
    """Make the projections again and put them in the place of those in the store, at once.

    Raises:
        AccountLockedError: An engine is running on the store.
        StoreError: The store cannot be used, or its journal is not sound: see audit verify.
    """
    with open_reader_at(place) as reader, Scratch() as fresh:
        account_id = AccountId(reader.meta()["account_id"])
        lock = take_lock(place, account_id=account_id, clock=clock, create=False)
        try:
            checks = _replace(reader, fresh)
        except (*DriverError, DBAPIError) as error:
            msg = f"{place} could not be written: {error}. It is as it was; check the disk."
            raise StoreError(msg) from error
        finally:
            lock.release()
    return Rebuilt(ok=True, is_written=True, checks=checks)


def _replace(reader: Reader, fresh: Scratch) -> tuple[Check, ...]:
    with (
        closing(driver_of(writers_of(reader.path))) as driver,
        driver.transaction(is_writing=True),
    ):
        # Nobody else can write by now, so the reader sees what is written over.
        with reader.snapshot():
            checks = _play(reader, fresh)
        for table in PROJECTIONS:
            driver.write(str(delete(table)), [()])
            Insert(table).write_plain(driver, _stored(table, fresh))
    return checks


def _play(reader: Reader, fresh: Scratch) -> tuple[Check, ...]:
    findings = Findings()
    chain = Chain(findings)
    for row in reader.journal_rows():
        chain.take(row)
    played = Replay(reader.meta()["account_id"], fresh, findings).run(reader)
    if wrong := [check for check in (*chain.checks(), *played) if not check.ok]:
        msg = (
            f"Nothing can be made of this journal: {wrong[0].name}: {wrong[0].detail}. Run audit "
            "verify, keep a copy as it is, and restore a sound one."
        )
        raise StoreError(msg)
    shown = {*NAMES.values(), "sums"}
    return tuple(check for check in compare(reader, fresh, findings) if check.name in shown)


def _stored(table: Table, fresh: Scratch) -> Iterator[tuple[Any, ...]]:
    """The rows as the store takes them: SQLite has no truth values of its own."""
    truths = [isinstance(column.type, Boolean) for column in table.c]

    def stored(row: PlainRow) -> tuple[Any, ...]:
        return tuple(bool(v) if truth else v for v, truth in zip(row, truths, strict=True))

    return map(stored, fresh.rows(table))
