"""The file refuses what a journal must not have done to it, and keeps every digit."""

import sqlite3
from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import insert, select
from sqlalchemy.dialects import postgresql

from infra.store.dialect import ImpossibleRowError, SqliteDriver, reader_engine, writer_engine
from infra.store.statements import Change, Insert
from infra.store.tables import FILLS, META, ORDERS, Exact, StoreRow
from tests.unit.domain.orders import NOW
from tests.unit.infra.store.stores import a_filled_order, a_store, commit

ATTACKS = (
    "UPDATE journal SET data = '{}' WHERE seq = 2",
    "UPDATE OR REPLACE journal SET data = '{}' WHERE seq = 2",
    "DELETE FROM journal WHERE seq = 2",
    "DELETE FROM journal",
    "INSERT OR REPLACE INTO journal SELECT * FROM journal WHERE seq = 2",
    "REPLACE INTO journal SELECT * FROM journal WHERE seq = 2",
    """INSERT INTO journal SELECT 99, 'x', 1, kind, topics, data, recorded_at, prev_hash, hash
    FROM journal LIMIT 1""",
    "INSERT INTO journal SELECT * FROM journal WHERE seq = 2 ON CONFLICT DO UPDATE SET data = '{}'",
)


@pytest.fixture
def raw(tmp_path):
    store = a_store(tmp_path)
    commit(store.journal(), *a_filled_order())
    store.close()
    with sqlite3.connect(tmp_path / "oncefill.db") as connection:
        yield connection
    connection.close()


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_journal_only_grows(raw, attack):
    before = raw.execute("SELECT * FROM journal").fetchall()

    with pytest.raises(sqlite3.IntegrityError):
        raw.execute(attack)

    assert raw.execute("SELECT * FROM journal").fetchall() == before


def test_the_file_is_durable_at_every_commit(tmp_path):
    store = a_store(tmp_path)

    with writer_engine(store.path).connect() as connection:
        pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        values = [connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() for pragma in pragmas]

    assert values == ["wal", 2, 1, 5000]
    store.close()


def test_a_reader_cannot_write(tmp_path):
    store = a_store(tmp_path)

    with reader_engine(store.path).connect() as connection, pytest.raises(Exception, match="read"):
        connection.exec_driver_sql("DELETE FROM orders")

    store.close()


def test_rows_written_in_bulk_are_those_that_core_would_write(tmp_path):
    store = a_store(tmp_path)
    row = (7, "c", "b", date(2026, 3, 2), "e", "005930", "BUY", Decimal("1E+3"), Decimal("0.10"))
    row = (*row, Decimal(0), Decimal("-0"), NOW)
    driver = SqliteDriver(writer_engine(store.path))

    with driver.transaction(is_writing=True):
        Insert(FILLS).write(driver, [row])
        (bulk,) = driver.read("SELECT * FROM fills")
        connection = driver.core
        back = connection.execute(select(FILLS)).one()
        connection.exec_driver_sql("DELETE FROM fills")
        connection.execute(insert(FILLS), dict(zip(FILLS.c.keys(), row, strict=True)))
        core = connection.exec_driver_sql("SELECT * FROM fills").one()

    assert bulk == core
    assert tuple(map(repr, back)) == tuple(map(repr, row))
    driver.close()
    store.close()


def test_every_type_that_the_driver_would_not_take_has_a_converter():
    driver_takes = {"AutoString", "Integer", "Boolean"}
    for table in StoreRow.metadata.sorted_tables:
        bulk = Insert(table)
        converted = {index for index, _ in bulk._converters}
        for index, column in enumerate(table.c):
            assert index in converted or type(column.type).__name__ in driver_takes, column


def test_money_is_numeric_on_postgresql():
    dialect = postgresql.dialect()

    assert Exact().compile(dialect=dialect) == "NUMERIC"
    assert Exact().process_bind_param(Decimal("0.10"), dialect) == Decimal("0.10")


def test_an_update_names_no_column_that_never_changes():
    for statement in (Insert(ORDERS, updates=("status",)), Change(ORDERS, updates=("status",))):
        assert "SET status" in statement._sql
        assert "symbol = " not in statement._sql


def test_a_change_writes_the_named_columns_and_says_when_a_row_is_missing(tmp_path):
    store = a_store(tmp_path)
    commit(store.journal(), *a_filled_order())
    driver = SqliteDriver(writer_engine(store.path))
    change = Change(ORDERS, updates=("cum_qty", "filled_at", "updated_seq"))

    with driver.transaction(is_writing=True):
        before = driver.core.execute(select(ORDERS)).mappings().one()
        wanted = {**before, "cum_qty": Decimal("0.10"), "filled_at": NOW, "updated_seq": 9}
        is_known = change.write(driver, [tuple({**wanted, "symbol": "never"}.values())])
        after = driver.core.execute(select(ORDERS)).mappings().one()
        is_other_known = change.write(driver, [tuple({**before, "client_order_id": "x"}.values())])

    assert (is_known, is_other_known) == (True, False)
    assert after == wanted
    driver.close()
    store.close()


def test_many_rows_take_few_calls_and_change_as_many(tmp_path):
    store = a_store(tmp_path)
    driver = SqliteDriver(writer_engine(store.path))
    insert_meta, calls = Insert(META, updates=("value",)), []
    rows = [(f"key {n:03}", "old") for n in range(100)]

    with driver.transaction(is_writing=True):
        insert_meta.write(driver, rows)
        driver.core.connection.driver_connection.set_trace_callback(calls.append)
        insert_meta.write(driver, [(key, "new") for key, _ in rows])
        written = driver.read("SELECT key, value FROM meta WHERE key LIKE 'key %' ORDER BY key")

    assert written == [(key, "new") for key, _ in rows]
    assert len(calls) < 15
    driver.close()
    store.close()


@pytest.mark.parametrize("count", [0, 1, 9, 39, 40, 41, 85])
def test_every_row_is_written_whatever_their_number(tmp_path, count):
    store = a_store(tmp_path)
    driver = SqliteDriver(writer_engine(store.path))

    with driver.transaction(is_writing=True):
        changed = driver.write(
            "INSERT INTO meta (key, value) VALUES (?, ?)", ((f"key {n}", "x") for n in range(count))
        )

    assert changed == count
    assert driver.read("SELECT count(*) FROM meta WHERE key LIKE 'key %'") == [(count,)]
    driver.close()
    store.close()


def test_what_fails_within_a_transaction_leaves_nothing(tmp_path):
    store = a_store(tmp_path)
    driver = SqliteDriver(writer_engine(store.path))
    insert_meta = Insert(META)

    with pytest.raises(ImpossibleRowError), driver.transaction(is_writing=True):
        insert_meta.write(driver, [("kept", "no"), ("epoch", "twice")])

    assert driver.read("SELECT * FROM meta WHERE key = 'kept'") == []
    driver.close()
    store.close()
