"""An older store comes along, with its open orders, on both databases."""

from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, insert, select

from domain.errors import AccountLockedError, StoreError
from domain.journal import Committed, LoadFills, LoadOpenOrders
from infra.store.audit import verify
from infra.store.migrations import VERSION_TABLE, migrate
from infra.store.places import place_of, writers_of
from infra.store.reading import open_reader
from infra.store.store import upgrade_store
from infra.store.tables import SCHEMA_VERSION, StoreRow
from tests.fakes_time import ManualClock
from tests.unit.infra.store.stores import a_filled_order, a_store, ask, book_fills, commit


@pytest.fixture(params=["sqlite", "postgres"])
def named(request, tmp_path):
    """Where an empty database is."""
    if request.param == "sqlite":
        path = tmp_path / "oncefill.db"
        path.touch(mode=0o600)
        return path
    url = request.getfixturevalue("postgres").url()
    a_store(None, url=url).close()
    with writers_of(place_of(url)).connect() as connection, connection.begin():
        schema = place_of(url).schema
        connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    return url


@pytest.fixture
def old(named, tmp_path):
    """A store of version 1: two orders closed and booked, one open with a part filled."""
    journal = (recent := a_store(tmp_path / "recent")).journal()
    commit(journal, *a_filled_order(1), *a_filled_order(2))
    book_fills(journal)
    commit(journal, *a_filled_order(3)[:4])
    recent.close()
    place = place_of(named)
    with writers_of(place).connect() as connection, connection.begin():
        migrate(connection, known=None, to=1)
        _copy(recent.path, connection)
        # As it was: only the store itself said which version it is.
        connection.exec_driver_sql(f"DROP TABLE {VERSION_TABLE}")
        connection.exec_driver_sql("DELETE FROM meta WHERE key IN ('sum', 'tables')")
        connection.exec_driver_sql("UPDATE meta SET value = '1' WHERE key = 'schema_version'")
    return named


def _copy(path, connection):
    tables = MetaData()
    tables.reflect(connection)
    with writers_of(path).connect() as recent:
        for name, table in tables.tables.items():
            if name != VERSION_TABLE:
                today = StoreRow.metadata.tables[name]
                known = [column for column in today.c if column.name in table.c]
                typed = insert(today)
                rows = recent.execute(select(*known)).mappings().all()
                if rows:
                    connection.execute(typed, [dict(row) for row in rows])


def test_an_engine_upgrades_an_older_store_and_goes_on_with_its_open_orders(old, tmp_path):
    with pytest.raises(StoreError, match=r"has schema 1.*run `db upgrade`"):
        open_reader(old)

    with closing(a_store(None, url=old)) as store:
        journal = store.journal()
        (stream,) = ask(journal, LoadOpenOrders())
        reply = commit(journal, a_filled_order(3)[4])[0]
        fills = ask(journal, LoadFills(0))

    assert len(stream.events) == 4
    assert isinstance(reply, Committed)
    assert len(fills) == 6
    with open_reader(old) as reader:
        report = verify(reader)
        assert report.ok, report
        assert reader.meta()["schema_version"] == str(SCHEMA_VERSION)


def test_a_store_is_upgraded_by_hand_once(old):
    assert upgrade_store(place_of(old), clock=ManualClock()) == 1
    assert upgrade_store(place_of(old), clock=ManualClock()) == SCHEMA_VERSION

    with open_reader(old) as reader:
        assert verify(reader).ok


def test_a_store_is_not_upgraded_under_a_running_engine(old):
    with closing(a_store(None, url=old)), pytest.raises(AccountLockedError, match="Account paper"):
        upgrade_store(place_of(old), clock=ManualClock())


def test_the_revisions_lead_to_the_tables_that_a_new_store_has(named):
    with writers_of(place_of(named)).connect() as connection, connection.begin():
        migrate(connection, known=None, to=SCHEMA_VERSION)

        found = MigrationContext.configure(connection)
        assert compare_metadata(found, StoreRow.metadata) == []


def test_a_new_store_is_of_the_last_revision(named):
    a_store(None, url=named).close()

    with writers_of(place_of(named)).connect() as connection, connection.begin():
        revision = MigrationContext.configure(connection).get_current_revision()

    assert int(revision) == SCHEMA_VERSION


def test_a_store_that_is_not_there_is_not_upgraded(tmp_path):
    with pytest.raises(StoreError, match="There is no store"):
        upgrade_store(tmp_path / "none.db", clock=ManualClock())


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(tmp_path, old):
    """The whole way is one transaction."""
    with writers_of(place_of(old)).connect() as connection, connection.begin():
        connection.exec_driver_sql("INSERT INTO meta VALUES ('spare', '1')")
        connection.exec_driver_sql("DELETE FROM meta WHERE key = 'spare'")
        connection.exec_driver_sql(f"CREATE TABLE {VERSION_TABLE} (version_num INTEGER)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES (77)")

    with pytest.raises(StoreError, match="cannot be upgraded"):
        upgrade_store(place_of(old), clock=ManualClock())
    with pytest.raises(StoreError, match="has schema 1"):
        open_reader(old)
