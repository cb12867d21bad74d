"""Totals that grow, lag behind, and shrink."""

from dataclasses import replace
from decimal import Decimal

import pytest

from actors.messages import OrderSeen
from domain.broker import BrokerState
from domain.errors import OutcomeUnknownError
from domain.events import Anomaly, Source
from infra.brokers.paper import PaperSettings
from tests.desks import buy
from tests.unit.actors.tales import LIMIT, begun, raise_always


@pytest.fixture(params=[True, False], ids=["with ids", "without ids"])
def totals(request, desk):
    desk.paper = PaperSettings(
        latency_s=(0.01, 0.01), hidden_s=0.4, client_ids=request.param, exec_ids=False
    )
    return begun(desk)


def stale(desk, cum_qty, signal_id="s-1"):
    """Tell the desk an older total, as a slow page of the broker would."""
    (told,) = desk.ledger().orders
    amount = Decimal(cum_qty) * 70_000
    shown = replace(told, cum_qty=Decimal(cum_qty), cum_amount=amount, client_order_id=None)
    desk.engine.actor("executor").tell(OrderSeen(shown, Source.POLL))


def busts(desk):
    return [event.last_qty for event in desk.events("Filled") if event.last_qty < 0]


def test_a_lower_total_that_does_not_stay_changes_nothing(totals):
    totals.tell(buy())
    totals.until_rest()
    totals.run_for(5)

    stale(totals, 60)
    totals.run_for(10)

    assert (totals.status(), busts(totals)) == ("FILLED", [])
    assert not totals.has_actor()
    totals.check()


def test_a_lower_total_of_a_working_order_is_no_fill_and_no_bust(totals):
    totals.tell(buy(limit_px=Decimal(69_000)))
    totals.resting()
    totals.quote(69_000, volume=400)
    totals.until_status("PARTIAL")

    stale(totals, 10)
    totals.run_for(0.5)
    stale(totals, 20)
    totals.run_for(10)

    assert (totals.order().cum_qty, busts(totals)) == (40, [])
    totals.check()


def test_a_lower_total_is_believed_when_it_has_stayed_for_longer_than_twice_v(totals):
    totals.tell(buy())
    totals.until_rest()
    (told,) = totals.ledger().orders
    totals.gateway.broker.bust(told.broker_order_id, told.trade_date, Decimal(30))
    at = totals.system.now()

    totals.until(lambda: busts(totals))

    waited_s = (totals.events("Filled")[-1].at - at).total_seconds()
    assert waited_s > 2 * totals.settings.timing.longest_hidden_s
    totals.until_rest()
    totals.check()


def test_a_bust_is_not_booked_while_the_broker_cannot_be_asked(totals):
    totals.tell(buy())
    totals.until_rest()
    (told,) = totals.ledger().orders
    totals.gateway.broker.bust(told.broker_order_id, told.trade_date, Decimal(30))
    stale(totals, 70)
    totals.gateway.before["list_orders"] = raise_always(OutcomeUnknownError("HTTP 500"))
    totals.run_for(60)
    assert busts(totals) == []

    del totals.gateway.before["list_orders"]
    totals.until(lambda: busts(totals) == [-30])


def test_an_order_that_crashes_over_a_lower_total_looks_again(totals):
    totals.tell(buy())
    totals.until_rest()
    totals.run_for(5)
    (told,) = totals.ledger().orders
    totals.gateway.broker.bust(told.broker_order_id, told.trade_date, Decimal(30))
    stale(totals, 70)
    totals.until(totals.has_actor)

    totals.crash_order()
    totals.until(lambda: busts(totals) == [-30])

    totals.run_for(70)
    totals.check()


def test_all_withdrawn_from_a_working_order_leaves_it_working(totals):
    totals.tell(buy(limit_px=Decimal(69_000)))
    totals.resting()
    totals.quote(69_000, volume=400)
    totals.until_status("PARTIAL")
    (told,) = totals.ledger().orders
    totals.gateway.broker.bust(told.broker_order_id, told.trade_date, Decimal(40))

    totals.until(lambda: busts(totals))

    assert (totals.status(), totals.order().cum_qty) == ("SUBMITTED", 0)
    totals.quote(69_000)
    totals.until_rest()
    totals.check()


def test_fills_are_never_asked_for_where_only_totals_are_told(totals):
    totals.tell(buy(limit_px=LIMIT), buy("s-2"))
    totals.until_rest("s-2")
    totals.run_for(90)

    assert totals.times_of("list_fills") == []


def test_an_order_that_is_open_again_is_told_its_end_at_once(desk):
    desk.paper = PaperSettings(latency_s=(0.01, 0.01), hidden_s=0.4, client_ids=False)
    begun(desk).tell(buy())
    desk.until_rest()
    desk.run_for(30)
    (told,) = desk.ledger().orders

    desk.gateway.broker.bust(told.broker_order_id, told.trade_date, Decimal(30))
    desk.until(lambda: busts(desk) == [-30], within_s=70)
    desk.until_status("CANCELLED", within_s=5)

    desk.until_rest()
    desk.check()


def tell_total(desk, cum_qty, **said):
    """Tell the desk a total, as the next page of the broker would."""
    (told,) = desk.ledger().orders
    said = {"cum_amount": None, "avg_px": None, "client_order_id": None} | said
    shown = replace(told, cum_qty=Decimal(cum_qty), **said)
    desk.engine.actor("executor").tell(OrderSeen(shown, Source.POLL))


@pytest.mark.parametrize(
    ("cum_qty", "said", "problem"),
    [
        (41, {"avg_px": Decimal(67_000)}, "total of 41 for 2747000 in all leaves no price"),
        (-5, {"avg_px": Decimal(69_000)}, "total of -5 is below zero"),
        (41, {}, "total of 41 comes without amount and price"),
    ],
)
def test_a_total_that_cannot_be_is_flagged_once_and_the_next_one_is_booked(
    totals, cum_qty, said, problem
):
    totals.tell(buy(limit_px=Decimal(69_000)))
    totals.resting()
    totals.quote(69_000, volume=400)
    totals.until_status("PARTIAL")

    for state in (BrokerState.PARTIAL, BrokerState.PARTIAL, BrokerState.CANCELLED):
        tell_total(totals, cum_qty, state=state, **said)
        totals.run_for(0.1)

    (flag,) = totals.events("Flagged")
    assert (flag.anomaly, problem in flag.detail) == (Anomaly.IMPOSSIBLE_TOTAL, True)
    assert "booked are 40 for 2760000" in flag.detail
    assert (totals.status(), totals.order().cum_qty, busts(totals)) == ("PARTIAL", 40, [])
    assert totals.engine.stats().restarts == 0
    totals.quote(69_000)
    totals.until_rest()
    assert (totals.status(), totals.order().cum_qty) == ("FILLED", 100)
    totals.check()


def test_a_bust_is_waited_for_while_the_broker_tells_what_cannot_be(totals, monkeypatch):
    totals.tell(buy())
    totals.until_rest()
    (told,) = totals.ledger().orders
    totals.gateway.broker.bust(told.broker_order_id, told.trade_date, Decimal(30))
    stale(totals, 70)
    real = totals.gateway.list_orders

    def negative(account_id, since):
        page = real(account_id, since)
        return replace(page, items=tuple(replace(o, cum_qty=Decimal(-1)) for o in page.items))

    with monkeypatch.context() as patch:
        patch.setattr(totals.gateway, "list_orders", negative)
        totals.run_for(30)
    assert (busts(totals), totals.order().cum_qty) == ([], 100)
    assert [flag.anomaly for flag in totals.events("Flagged")] == [Anomaly.IMPOSSIBLE_TOTAL]

    totals.until(lambda: busts(totals) == [-30])
    totals.until_rest()
    totals.check()
