"""A copy of a store's file, made by SQLite itself while an engine runs or not, and audited."""

import sqlite3
from contextlib import closing
from pathlib import Path

from domain.errors import StoreError
from infra.store.audit import AuditReport, verify
from infra.store.noted import read_noted
from infra.store.places import explained, readers_of
from infra.store.reading import open_reader


def back_up(store: Path, target: Path) -> AuditReport:
    """Copy the store as of one moment into the empty file ``target``; return the copy's audit.

    The copy is one file, without a log of commits beside it. It has to reach as far as was noted
    beside the store before.

    Raises:
        StoreError: The store cannot be read, or the copy cannot be written.
    """
    noted = read_noted(store)
    _copy(store, target)
    with open_reader(target) as reader:
        return verify(reader, () if noted is None else (noted.head,))


def _copy(store: Path, target: Path) -> None:
    with explained(store), closing(readers_of(store).connect()) as connection:
        source = connection.connection.driver_connection
        assert isinstance(source, sqlite3.Connection), type(source).__name__
        try:
            with closing(sqlite3.connect(target, isolation_level=None)) as copy:
                # All in one go: SQLite begins anew whenever an engine commits between two parts.
                source.backup(copy, pages=-1)
                copy.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.Error as error:
            msg = f"{store} cannot be copied: {error}. Check the disk, and its space."
            raise StoreError(msg) from error
