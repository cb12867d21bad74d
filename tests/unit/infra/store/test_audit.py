"""The audit is green on what the engine wrote, and finds whatever was done to it since."""

import sqlite3
from decimal import Decimal

import pytest

from domain.errors import StoreError
from domain.events import Rejected
from domain.journal import Append, LoadFills
from domain.order import evolve
from domain.terms import Side
from infra.store.audit import verify
from infra.store.chain import GENESIS, row_hash
from infra.store.dialect import TRIGGERS
from infra.store.reading import open_reader
from tests.unit.domain.orders import NOW, a_signal, accepted, started
from tests.unit.infra.store.stores import (
    a_filled_order,
    a_store,
    ask,
    book_append,
    book_fills,
    commit,
    steps,
)

A_COPIED_ORDER = """INSERT INTO orders SELECT 'x', signal_id, account_id, symbol, side, order_type,
    order_qty, limit_px, time_in_force, strategy_id, status, is_open, broker_order_id, trade_date,
    cum_qty, avg_px, attempts, reason, created_at, submitted_at, filled_at, claim, updated_seq
    FROM orders LIMIT 1"""


@pytest.fixture
def path(tmp_path):
    store = a_store(tmp_path)
    journal = store.journal()
    commit(journal, *a_filled_order(1), *a_filled_order(2, px=71_000, side=Side.SELL, qty=150))
    book_fills(journal)
    commit(journal, *a_filled_order(3)[:4])
    store.close()
    return store.path


@pytest.fixture
def tamper(path):
    """Execute statements as somebody with the file and enough time would."""

    def execute(*statements):
        connection = sqlite3.connect(path)
        with connection:
            for name in ("no_update", "no_delete", "next"):
                connection.execute(f"DROP TRIGGER IF EXISTS journal_{name}")
            for statement in statements:
                connection.execute(*([statement] if isinstance(statement, str) else statement))
            for trigger in TRIGGERS:
                connection.execute(trigger)
        connection.close()

    return execute


def audit(path):
    with open_reader(path) as reader:
        return verify(reader)


def failed(path):
    report = audit(path)
    assert report.ok == all(check.ok for check in report.checks)
    return {check.name for check in report.checks if not check.ok}


def test_an_untouched_store_is_green_and_says_what_was_looked_at(path):
    report = audit(path)

    assert report.ok, report
    assert report.seq == 18
    details = {check.name: check.detail for check in report.checks}
    assert details["chain"] == "18 rows, none changed or missing"
    assert "1 fills not applied yet" in details["book events"]
    assert details["orders"] == "3 agree"


def test_an_empty_store_is_green(tmp_path):
    store = a_store(tmp_path)

    report = audit(store.path)

    assert (report.ok, report.seq, report.head_hash) == (True, 0, GENESIS)
    store.close()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("seq", 99),
        ("stream", "order/else"),
        ("stream_seq", 9),
        ("kind", "Expired"),
        ("topics", "order.filled"),
        ("recorded_at", "2024-03-04T01:00:01.000000Z"),
        ("prev_hash", "a" * 64),
        ("hash", "f" * 64),
        ("data", None),
        ("data", b"\x00"),
        ("kind", 7),
    ],
)
@pytest.mark.parametrize("seq", [1, 4, 11, 18])
def test_a_change_of_any_column_of_any_row_is_found(path, tamper, column, value, seq):
    if value is None:
        value = "{}"

    sql = f"UPDATE OR REPLACE journal SET {column} = ? WHERE seq = ?"  # noqa: S608 From the list above.
    tamper((sql, (value, seq)))

    assert "chain" in failed(path)


def test_one_digit_is_found(path, tamper):
    tamper("UPDATE journal SET data = replace(data, '71000', '71001') WHERE seq = 9")

    assert {"chain", "fills", "orders"} <= failed(path)


@pytest.mark.parametrize("seq", [1, 2, 9, 17])
def test_a_row_taken_out_is_found(path, tamper, seq):
    tamper(("DELETE FROM journal WHERE seq = ?", (seq,)))

    assert {"chain", "streams"} <= failed(path)


def test_a_row_taken_out_with_the_others_moved_up_is_found(path, tamper):
    tamper(
        "DELETE FROM journal WHERE seq = 2",
        "UPDATE journal SET seq = -seq WHERE seq > 2",
        "UPDATE journal SET seq = -seq - 1 WHERE seq < 0",
    )

    assert "chain" in failed(path)


def test_a_row_put_in_between_is_found(path, tamper):
    tamper(
        "UPDATE journal SET seq = -seq WHERE seq > 4",
        "UPDATE journal SET seq = -seq + 1 WHERE seq < 0",
        "INSERT INTO journal SELECT 5, stream, 99, kind, topics, data, recorded_at, hash, hash "
        "FROM journal WHERE seq = 4",
    )

    assert {"chain", "streams"} <= failed(path)


def test_two_rows_in_each_others_place_are_found(path, tamper):
    tamper(
        "UPDATE journal SET seq = 100 WHERE seq = 4",
        "UPDATE journal SET seq = 4 WHERE seq = 5",
        "UPDATE journal SET seq = 5 WHERE seq = 100",
    )

    assert {"chain", "streams"} <= failed(path)


def test_a_journal_cut_short_shows_in_what_followed_from_it_and_in_the_head(path, tamper):
    noted = audit(path)

    tamper("DELETE FROM journal WHERE seq = 18")

    assert failed(path) == {"fills", "orders", "noted heads"}
    assert audit(path).head_hash != noted.head_hash


def test_a_chain_made_again_with_another_price_shows_in_what_followed_from_it(path, tamper):
    with open_reader(path) as reader:
        lines = list(reader.lines())
    changes, previous = [], GENESIS
    for line in lines:
        data = line.data.replace("71000", "71001") if line.kind == "Filled" else line.data
        covered = (line.seq, line.stream, line.stream_seq, line.kind, line.topics, data)
        digest = row_hash((previous, *covered, line.recorded_at))
        sql = "UPDATE journal SET data = ?, prev_hash = ?, hash = ? WHERE seq = ?"
        changes.append((sql, (data, previous, digest, line.seq)))
        previous = digest

    tamper(*changes)

    assert failed(path) == {"book events", "fills", "orders", "noted heads"}


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE orders SET status = 'FILLED' WHERE is_open", {"orders"}),
        ("UPDATE orders SET status = 'NONSENSE'", {"orders"}),
        ("UPDATE orders SET cum_qty = 'x'", {"orders"}),
        ("UPDATE orders SET is_open = 0", {"orders"}),
        ("UPDATE orders SET updated_seq = 1", {"orders"}),
        ("UPDATE orders SET reason = 'because'", {"orders"}),
        ("DELETE FROM orders WHERE is_open", {"orders"}),
        (A_COPIED_ORDER, {"orders"}),
        ("UPDATE fills SET last_px = '70001' WHERE seq = 4", {"fills"}),
        ("UPDATE fills SET side = 'SELL' WHERE seq = 4", {"fills"}),
        ("UPDATE fills SET trade_date = '2026-13-01' WHERE seq = 4", {"fills"}),
        ("DELETE FROM fills WHERE seq = 4", {"fills"}),
        ("UPDATE positions SET qty = '0'", {"positions"}),
        ("UPDATE positions SET cost = ''", {"positions"}),
        ("DELETE FROM positions", {"positions"}),
        ("UPDATE daily_pnl SET taxes = '1'", {"daily pnl"}),
        ("UPDATE checkpoints SET seq = 18", {"checkpoint"}),
        ("DELETE FROM checkpoints", {"checkpoint"}),
    ],
)
def test_a_change_of_what_is_shown_is_found(path, tamper, statement, found):
    tamper(statement)

    # What does not add up any more is found as well.
    assert failed(path) - {"sums"} == found


def test_an_illegal_change_of_status_is_found(tmp_path):
    """The engine's own rules keep this from being written; the audit does not rely on them."""
    store = a_store(tmp_path)
    appends = steps(started(), accepted())
    closing = Rejected(reason="no", code="1", at=NOW)
    order = evolve(appends[-1].state, closing)
    reopened = evolve(order, started(2))
    wrong = Append(
        stream=appends[0].stream,
        version=3,
        events=(closing, started(2)),
        topics=((), ()),
        state=reopened,
    )
    commit(store.journal(), *appends, wrong)
    journal = store.journal()
    unborn = Append(stream="order/x", version=0, events=(accepted(),), topics=((),))
    commit(journal, unborn)
    store.close()

    names = failed(store.path)

    assert "replay" in names
    assert names <= {"replay", "status changes"}


def test_an_order_that_leaves_its_end_is_found(tmp_path):
    store = a_store(tmp_path)
    made, *_ = appends = a_filled_order(1)
    late = steps(signal=a_signal(order_qty=Decimal(1000)))[0]
    raised = Append(
        stream=made.stream,
        version=5,
        events=late.events,
        topics=((),),
    )
    commit(store.journal(), *appends, raised)

    assert failed(store.path) == {"replay"}
    store.close()


def test_a_fill_that_counts_twice_or_is_passed_over_is_found(tmp_path):
    store = a_store(tmp_path)
    journal = store.journal()
    commit(journal, *a_filled_order(1))
    book = book_fills(journal)
    commit(journal, *a_filled_order(2))
    second = ask(journal, LoadFills(book.checkpoint))[1]
    commit(journal, book_append(book, second))

    assert "book events" in failed(store.path)
    store.close()


def test_a_page_that_cannot_be_read_is_a_clear_error(path):
    content = bytearray(path.read_bytes())
    for start in range(4096 * 2, len(content), 4096):
        content[start : start + 64] = b"\xff" * 64
    path.write_bytes(content)

    with pytest.raises(StoreError, match="damaged"):
        audit(path)
