"""A person has all compared with the broker now."""

from dataclasses import replace
from decimal import Decimal

import pytest

from actors.messages import CompareBook, ListOrders, Nudge, Reconcile
from domain.errors import EngineStoppedError
from infra.brokers.paper import FaultPlan
from tests.desks import SAMSUNG, buy
from tests.unit.actors.rigs import a_page, a_request

LIMIT = Decimal(60_000)


def test_who_asks_is_told_that_the_positions_agree(desk):
    desk.start().tell(buy())
    desk.until_rest()
    desk.run_for(30)
    before = len(desk.times_of("list_positions"))

    compared = desk.engine.reconcile()
    desk.until(compared.done, within_s=5)

    assert compared.result() == {}
    assert len(desk.times_of("list_positions")) == before + 1


def test_who_asks_is_told_what_differs_and_what_stays_is_written_down(desk):
    desk.start().run_for(5)
    stranger = replace(a_request(buy()), client_order_id="stranger")
    desk.gateway.broker.place(desk.settings.account_id, stranger)

    compared = desk.engine.reconcile()
    desk.until(compared.done, within_s=5)

    assert compared.result() == {SAMSUNG: (Decimal(0), Decimal(100))}
    desk.until(lambda: "position 005930" in [e.subject for e in breaks(desk)], within_s=30)


def breaks(desk):
    return [record.event for record in desk.records if record.kind == "ReconcileBroke"]


def test_the_look_is_a_full_one_though_a_short_one_is_under_way(tracker):
    tracker.tell(Nudge())
    tracker.tell(Reconcile([].append))
    tracker.answer(a_page())

    day = tracker.last("broker").call
    assert isinstance(day, ListOrders)
    assert (tracker.system.now() - day.since).days >= 1
    tracker.answer(a_page())
    tracker.answer(a_page())
    told = tracker.last("position")
    assert isinstance(told, CompareBook)
    assert len(told.done) == 1


def test_a_look_that_began_before_answers_nobody(tracker):
    tracker.tell(Reconcile())
    tracker.tell(Reconcile([].append))
    tracker.answer(a_page())
    tracker.answer(a_page())
    assert tracker.last("position").done == ()

    tracker.answer(a_page())
    tracker.answer(a_page())

    assert len(tracker.last("position").done) == 1


def test_a_broker_that_cannot_be_asked_answers_later(desk):
    desk.start(faults=FaultPlan()).run_for(5)
    desk.gateway.before["list_orders"] = lambda *_: (_ for _ in ()).throw(TimeoutError("away"))
    compared = desk.engine.reconcile()
    desk.run_for(5)
    assert not compared.done()

    desk.gateway.before.clear()

    desk.until(compared.done, within_s=120)


def test_an_engine_that_stops_says_so(desk):
    desk.start().run_for(5)
    desk.gateway.before["list_orders"] = lambda *_: (_ for _ in ()).throw(TimeoutError("away"))
    compared = desk.engine.reconcile()

    desk.engine.stop()

    with pytest.raises(EngineStoppedError):
        compared.result(0)
