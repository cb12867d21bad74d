"""The read side: the same answers while an engine runs and when none does."""

import sqlite3
from collections import Counter
from decimal import Decimal

import pytest

from domain.errors import InvalidInputError, StoreError
from domain.journal import LoadBook, LoadFills, LoadRecords
from domain.terms import OrderStatus, OrderType, Side, Symbol
from infra.store.chain import GENESIS
from infra.store.reading import open_reader
from infra.store.tables import SCHEMA_VERSION
from infra.store.views import Head
from tests.unit.domain.orders import DAY, NOW, a_signal, rejected, started
from tests.unit.infra.store.stores import a_filled_order, a_store, ask, book_fills, commit, steps

REJECTED = steps(started(), rejected(), signal=a_signal(signal_id="r-1"))
LIMIT = steps(
    signal=a_signal(
        signal_id="l-1",
        symbol=Symbol("000660"),
        side=Side.SELL,
        order_type=OrderType.LIMIT,
        limit_px=Decimal("99.50"),
    )
)


@pytest.fixture
def store(tmp_path):
    opened = a_store(tmp_path)
    yield opened
    opened.close()


@pytest.fixture(params=["engine running", "no engine"])
def reader(request, store):
    journal = store.journal()
    commit(journal, *a_filled_order(1), *REJECTED, *LIMIT)
    book_fills(journal)
    if request.param == "no engine":
        store.close()
    with open_reader(store.path) as opened:
        yield opened


def test_orders_show_what_their_last_event_left(reader):
    filled, refused, limit = sorted(reader.orders(), key=lambda order: order.updated_seq)

    assert (filled.status, filled.cum_qty, filled.avg_px) == (OrderStatus.FILLED, 100, 70_000)
    assert (filled.signal_id, filled.symbol, filled.side) == ("s-1", "005930", Side.BUY)
    assert (filled.broker_order_id, filled.trade_date, filled.is_open) == ("0000000001", DAY, False)
    assert (filled.created_at, filled.submitted_at, filled.filled_at) == (NOW, NOW, NOW)
    assert (refused.status, refused.reason) == (OrderStatus.REJECTED, "not tradable")
    assert (refused.avg_px, refused.attempts, refused.filled_at) == (None, 1, None)
    assert (limit.status, limit.is_open, str(limit.limit_px)) == ("PENDING", True, "99.50")


def test_orders_are_chosen_by_status_symbol_and_number(reader):
    def signals(**choice):
        return {order.signal_id for order in reader.orders(**choice)}

    assert signals(status=OrderStatus.REJECTED) == {"r-1"}
    assert signals(symbol="000660") == {"l-1"}
    assert signals(symbol="000660", status=OrderStatus.FILLED) == set()
    assert len(reader.orders(limit=2)) == 2


@pytest.mark.parametrize("key", ["s-1", "whole", "beginning"])
def test_an_order_is_found_by_signal_id_and_by_its_own(reader, key):
    order_id = a_filled_order(1)[0].state.client_order_id
    key = {"whole": order_id, "beginning": order_id[:6]}.get(key, key)

    assert reader.find_order(key).client_order_id == order_id
    assert [record.kind for record in reader.order_timeline(key)] == [
        "OrderCreated",
        "SubmitStarted",
        "Accepted",
        "Filled",
        "Filled",
    ]


@pytest.mark.parametrize("key", ["", "%", "nobody", "_"])
def test_an_order_that_is_not_there_says_so(reader, key):
    with pytest.raises(InvalidInputError, match="no order"):
        reader.find_order(key)


def test_a_beginning_of_several_orders_names_them(store):
    commit(store.journal(), *(a_filled_order(number)[0] for number in range(60)))

    with open_reader(store.path) as reader:
        firsts = Counter(order.client_order_id[0] for order in reader.orders())
        first = firsts.most_common(1)[0][0]
        with pytest.raises(InvalidInputError, match="several begin like that"):
            reader.find_order(first)


def test_positions_and_days_are_those_of_the_book(reader):
    (position,) = reader.positions()
    (day,) = reader.daily_pnl()

    assert (position.qty, position.cost, position.fees) == (100, 7_000_000, 20)
    assert (day.day, day.net) == (DAY, -20)
    assert reader.book().checkpoint == 5


def test_fills_and_records_are_those_of_the_journal(store):
    journal = store.journal()
    commit(journal, *a_filled_order(1), *a_filled_order(2))
    with open_reader(store.path) as reader:
        order_id = a_filled_order(2)[0].state.client_order_id

        assert reader.fills() == ask(journal, LoadFills(0))
        assert [fill.seq for fill in reader.fills(order_id)] == [9, 10]
        assert reader.records() == ask(journal, LoadRecords(0))
        assert [r.seq for r in reader.records(after=3, limit=2)] == [4, 5]
        assert [r.stream_seq for r in reader.records(stream=f"order/{order_id}")] == [1, 2, 3, 4, 5]
        assert reader.book() == ask(journal, LoadBook())


def test_the_head_moves_with_the_journal(store):
    journal = store.journal()
    with open_reader(store.path) as reader:
        assert reader.head() == Head(0, GENESIS)

        commit(journal, *a_filled_order(1))

        assert reader.head().seq == 5
        assert reader.head().hash == list(reader.lines())[-1].hash


def test_a_snapshot_stands_still_while_the_engine_writes(store):
    journal = store.journal()
    commit(journal, *a_filled_order(1))

    with open_reader(store.path) as reader:
        with reader.snapshot():
            before = reader.head()
            commit(journal, *a_filled_order(2))
            assert reader.head() == before
        assert reader.head().seq == 10


def test_meta_says_whose_it_is(reader):
    meta = reader.meta()

    assert (meta["account_id"], meta["schema_version"]) == ("paper", str(SCHEMA_VERSION))
    assert meta["created_at"] == "2024-03-04T01:00:00.000000Z"


def test_reading_a_closed_store_leaves_its_bytes_alone(store):
    commit(store.journal(), *a_filled_order(1))
    store.close()
    before = store.path.read_bytes()

    with open_reader(store.path) as reader:
        assert len(reader.orders()) == 1

    assert store.path.read_bytes() == before


@pytest.mark.parametrize("content", [None, "", "Dear diary, " * 500])
def test_what_is_no_store_says_so(tmp_path, content):
    path = tmp_path / "oncefill.db"
    if content is not None:
        path.write_text(content)

    with pytest.raises(StoreError, match=r"oncefill\.db"):
        open_reader(path)


def test_a_newer_schema_says_upgrade(store):
    store.close()
    connection = sqlite3.connect(store.path)
    with connection:
        newer = "UPDATE meta SET value = ? WHERE key = 'schema_version'"
        connection.execute(newer, (str(SCHEMA_VERSION + 1),))
    connection.close()

    with pytest.raises(StoreError, match="upgrade Oncefill"):
        open_reader(store.path)
