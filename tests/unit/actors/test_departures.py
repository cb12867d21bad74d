"""What is told of an order that has gone, and when an order may go."""

from dataclasses import replace
from decimal import Decimal

import pytest

from actors.departures import GONE_KEPT, Gone
from actors.messages import FillSeen, Leave, OrderSeen
from domain.events import Source
from domain.journal import LoadOpenOrders, LoadStream
from domain.order import evolve
from domain.terms import ClientOrderId, ExecId
from infra.store.journal import SqlJournal
from tests.desks import buy, cancel
from tests.unit.actors.rigs import a_broker_fill
from tests.unit.domain.orders import created

SEEDS = range(8)
LIMIT = Decimal(60_000)


@pytest.fixture
def loads(monkeypatch):
    """The streams that were read from the journal."""
    asked, load = [], SqlJournal.load

    def noted(journal, query, *rest):
        if isinstance(query, LoadStream):
            asked.append(query.stream)
        return load(journal, query, *rest)

    monkeypatch.setattr(SqlJournal, "load", noted)
    return asked


@pytest.fixture
def gone(desk, loads):
    """A desk whose one order was cancelled and has gone."""
    desk.start().tell(buy(limit_px=LIMIT))
    desk.resting()
    desk.tell(cancel())
    desk.until_rest()
    desk.run_for(30)
    assert not desk.has_actor()
    loads.clear()
    return desk


def late_fill(desk, exec_id):
    order = desk.order()
    number = {"broker_order_id": order.broker_order_id, "trade_date": order.trade_date}
    terms = {"exec_id": ExecId(exec_id), "last_qty": Decimal(10), "last_px": LIMIT}
    return FillSeen(a_broker_fill(order.client_order_id, **number, **terms), Source.STREAM)


def test_what_is_told_again_of_an_order_that_has_gone_is_not_looked_up(gone, loads):
    (theirs,) = gone.ledger().orders
    before = len(gone.records)

    for _ in range(3):
        gone.engine.actor("executor").tell(OrderSeen(theirs, Source.POLL))
    gone.run_for(5)

    assert loads == []
    assert len(gone.records) == before


def test_news_of_an_order_that_has_gone_wakes_it(gone):
    for exec_id in ("late", "later", "late"):
        gone.engine.actor("executor").tell(late_fill(gone, exec_id))
        gone.run_for(30)

    assert gone.order().cum_qty == 20
    assert not gone.has_actor()


@pytest.mark.parametrize("exec_ids", [("a", "b", "a"), ("a", "a", "b")])
@pytest.mark.parametrize("seed", SEEDS)
def test_news_on_the_way_out_is_neither_lost_nor_booked_twice(desk, seed, exec_ids):
    desk.seed = seed
    desk.start().tell(buy(limit_px=LIMIT))
    desk.resting()
    desk.tell(cancel())
    desk.until_status("CANCELLED")

    for exec_id in exec_ids:
        desk.engine.actor("executor").tell(late_fill(desk, exec_id))
    desk.run_for(30)

    assert desk.order().cum_qty == 20
    assert not desk.has_actor()


def test_an_order_goes_only_as_it_was_when_it_asked(desk):
    """Meanwhile the executor is down, so that nobody lets it go."""
    desk.start().tell(buy(limit_px=LIMIT))
    desk.resting()
    actor = desk.actor_of()
    desk.tell(cancel())
    desk.until(lambda: "CancelRequested" in desk.kinds())
    desk.crash("executor")
    desk.until_status("CANCELLED", within_s=5)
    version = desk.order().version

    actor.tell(late_fill(desk, "late"))
    desk.until(lambda: desk.order().version > version, within_s=5)
    actor.tell(Leave(version))
    desk.run_for(0.01)

    assert desk.has_actor()
    desk.run_for(60)
    assert not desk.has_actor()


@pytest.fixture
def late(monkeypatch):
    """Answers about all open orders, kept back until they are let go."""
    kept, load = [], SqlJournal.load

    def slow(journal, query, reply):
        if isinstance(query, LoadOpenOrders):
            load(journal, query, lambda loaded: kept.append(lambda: reply(loaded)))
        else:
            load(journal, query, reply)

    def begin(desk):
        monkeypatch.setattr(SqlJournal, "load", slow)
        desk.engine.actor("executor").tell("revive")
        desk.until(lambda: kept)
        monkeypatch.undo()

    def let_go():
        for say in kept:
            say()

    return begin, let_go


def test_an_order_that_has_gone_is_not_begun_again_by_an_older_list(desk, late):
    begin, let_go = late
    desk.start().tell(buy(limit_px=LIMIT))
    desk.resting()
    begin(desk)
    desk.tell(cancel())
    desk.until_rest()
    desk.run_for(5)
    assert not desk.has_actor()
    before = desk.engine.stats().restarts

    let_go()
    desk.run_for(0.02)

    assert not desk.has_actor()
    desk.run_for(30)
    assert desk.engine.stats().restarts == before


def test_an_order_that_stopped_does_not_go_on_from_an_older_list(desk, late):
    begin, let_go = late
    desk.start().tell(buy(limit_px=LIMIT))
    desk.resting()
    begin(desk)
    desk.engine.actor("executor").tell(late_fill(desk, "late"))
    desk.until(lambda: desk.order().cum_qty == 10)
    while desk.has_actor():
        desk.crash_order()
        desk.run_for(0.05)
    before = desk.engine.stats().restarts

    let_go()
    desk.run_for(0.02)
    assert desk.has_actor()
    desk.tell(cancel())

    desk.until_status("CANCELLED", within_s=5)
    assert desk.order().cum_qty == 10
    assert desk.engine.stats().restarts <= before


def test_only_the_latest_orders_that_have_gone_are_kept():
    gone, order = Gone(), evolve(None, created())
    first = order.client_order_id
    gone.add(order)
    assert gone.get(first) is order

    for number in range(GONE_KEPT):
        gone.add(replace(order, client_order_id=ClientOrderId(f"o-{number}")))

    assert gone.get(first) is None
    assert gone.get(ClientOrderId("o-0")) is not None
    gone.forget(ClientOrderId("o-0"))
    assert gone.get(ClientOrderId("o-0")) is None
