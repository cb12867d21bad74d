"""The simulated broker's faults, one by one, and what it shows without client ids."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest

from domain.broker import BrokerState, ClientIdSupport, FillNews, OrderNews, OrderRef
from domain.errors import NotSentError, OutcomeUnknownError, RateLimitedError, RefusedError
from domain.settings import PAPER, AbsentPolicy, BrokerTiming, Settings
from domain.terms import TimeInForce
from tests.contract.gateways import an_order
from tests.fakes_time import ManualClock
from tests.simulation.exchange import Exchange
from tests.simulation.profiles import draw
from tests.simulation.weather import Habits, Weather
from tests.simulation.wire import Network, SimulatedGateway, Unwatched

SETTINGS = Settings(timing=BrokerTiming(call_timeout_s=1.0))
LIMIT = Decimal(60_000)


class Market:
    """A broker with these habits, and the way to it under this weather."""

    def __init__(self, habits=None, **weather):
        habits = habits or Habits()
        self.clock = ManualClock()
        self.start = self.clock.now()
        self.network = Network(
            self.clock, Weather(settings=SETTINGS, habits=habits, **weather), Random(1)
        )
        self.exchange = Exchange(self.clock, SETTINGS, habits, Random(2), self.network.publish)
        self.gateway = SimulatedGateway(self.network, self.exchange, self.clock, Unwatched())
        self.news = []
        self.gateway.subscribe(self.news.append)

    def place(self, name="one", **changes):
        return self.gateway.place_order(PAPER, an_order(name, **changes))

    def cancel(self, ack, name="one"):
        ref = OrderRef(
            client_order_id=name,
            broker_order_id=ack.broker_order_id,
            trade_date=ack.trade_date,
            symbol=an_order().symbol,
        )
        return self.gateway.cancel_order(PAPER, ref, "c-1")

    def orders(self):
        return self.gateway.list_orders(PAPER, self.start).items

    def fills(self):
        return self.gateway.list_fills(PAPER, self.start).items


@pytest.mark.parametrize(
    ("fate", "error", "booked"),
    [
        ("not_sent", NotSentError, 0),
        ("lost", OutcomeUnknownError, 0),
        ("answer_lost", OutcomeUnknownError, 1),
        ("error_before", OutcomeUnknownError, 0),
        ("error_after", OutcomeUnknownError, 1),
        ("unreadable", ValueError, 1),
        ("rate_limited", RateLimitedError, 0),
        ("refused", RefusedError, 0),
    ],
)
def test_what_becomes_of_a_request(fate, error, booked):
    market = Market(writes={fate: 1.0})

    with pytest.raises(error):
        market.place()

    assert len(market.exchange.orders) == booked


@pytest.mark.parametrize("fate", ["late", "hung"])
def test_a_request_may_arrive_when_nobody_waits_for_it_any_more(fate):
    booked = 0
    for seed in range(10):
        market = Market(writes={fate: 1.0})
        market.network.random = Random(seed)
        with pytest.raises(OutcomeUnknownError):
            market.place()
        assert market.exchange.orders == []
        market.clock.advance(SETTINGS.timing.latest_accept_s)
        booked += len(market.exchange.orders)

    assert booked == 10 if fate == "late" else 0 < booked < 10


def test_a_doomed_order_is_taken_and_refused_later():
    market = Market(Habits(doomed=1.0))
    market.place()

    market.clock.advance(2)

    assert [row.state for row in market.orders()] == [BrokerState.REJECTED]


def test_a_fill_may_cross_a_cancel_and_come_after_it():
    market = Market(Habits(crossing=1.0))
    ack = market.place(limit_px=LIMIT)

    assert market.cancel(ack).is_done
    market.clock.advance(3)

    (row,) = market.orders()
    assert row.state in (BrokerState.CANCELLED, BrokerState.FILLED)
    assert row.cum_qty > 0


def test_a_cancel_may_be_taken_and_forgotten_or_refused():
    forgetful = Market(Habits(cancel_s=1.0, forgotten_cancel=1.0))
    ack = forgetful.place(limit_px=LIMIT)
    assert not forgetful.cancel(ack).is_done
    forgetful.clock.advance(5)
    assert forgetful.orders()[0].state is BrokerState.ACCEPTED

    stubborn = Market(Habits(no_cancel=1.0))
    ack = stubborn.place(limit_px=LIMIT)
    with pytest.raises(RefusedError):
        stubborn.cancel(ack)


def test_an_order_may_be_filled_with_more_than_it_asked_for():
    market = Market(Habits(fill_s=0.1, overfill=1.0))
    market.place()

    market.clock.advance(5)

    assert market.orders()[0].cum_qty == 11


@pytest.mark.parametrize("time_in_force", [TimeInForce.IOC, TimeInForce.FOK])
def test_what_is_not_traded_at_once_is_cancelled(time_in_force):
    ends = set()
    for seed in range(20):
        market = Market(Habits(fill_s=0.1))
        market.exchange._random = Random(seed)
        market.place(time_in_force=time_in_force, limit_px=LIMIT)
        (row,) = market.orders()
        ends.add((row.state, 0 < row.cum_qty < 10))

    partly = {(BrokerState.CANCELLED, True)} if time_in_force is TimeInForce.IOC else set()
    assert ends == {(BrokerState.FILLED, False), (BrokerState.CANCELLED, False), *partly}


def test_what_is_young_is_hidden_and_a_stale_page_is_older():
    market = Market(Habits(hidden_s=0.4))
    market.place()
    market.clock.advance(0.5)
    assert len(market.orders()) == len(market.fills()) == 1

    stale = Market(reads={"stale": 1.0})
    stale.place(limit_px=LIMIT)
    stale.clock.advance(1)
    stale.exchange.trade(stale.exchange.orders[0], Decimal(4), LIMIT)
    assert stale.orders()[0].cum_qty == 0
    stale.clock.advance(1)
    assert stale.orders()[0].cum_qty == 4


def test_pages_may_be_half_or_jumbled_and_only_the_half_one_says_so():
    for fate, rows, is_complete in (("incomplete", 1, False), ("jumbled", 4, True)):
        market = Market(reads={fate: 1.0})
        market.place("one")
        market.place("two")

        page = market.gateway.list_orders(PAPER, market.start)

        assert (len(page.items), page.is_complete) == (rows, is_complete)


def test_orders_of_others_have_no_id_and_are_shown():
    market = Market()
    market.exchange.intrude(an_order("by hand"))

    assert [row.client_order_id for row in market.orders()] == [None]
    assert market.exchange.called("by hand") == []
    assert list(market.exchange.foreign_qty.values()) == [10]


def test_numbers_start_again_each_day():
    market = Market()
    first = market.place("one")
    market.clock.advance(timedelta(days=1).total_seconds())

    assert market.place("two").broker_order_id == first.broker_order_id


def test_without_ids_nothing_shows_whose_an_order_is():
    market = Market(Habits(client_ids=ClientIdSupport.NONE))
    market.place()
    market.clock.advance(1)

    told = [each.order if isinstance(each, OrderNews) else each.fill for each in market.news]
    assert {each.client_order_id for each in (*told, *market.orders(), *market.fills())} == {None}
    assert market.gateway.capabilities.client_ids is ClientIdSupport.NONE
    assert len(market.exchange.called("one")) == 1


def test_without_execution_ids_only_totals_are_told():
    market = Market(replace(Habits(client_ids=ClientIdSupport.NONE), has_exec_ids=False))
    market.place()
    market.clock.advance(1)

    assert market.fills() == ()
    assert not any(isinstance(each, FillNews) for each in market.news)
    assert market.orders()[0].cum_qty == 10


@pytest.mark.parametrize("profile", ["nameless", "totals"])
def test_the_weather_without_ids_is_both_patient_and_strict(profile):
    drawn = [draw(Random(seed), profile) for seed in range(40)]

    assert {each.habits.client_ids for each in drawn} == {ClientIdSupport.NONE}
    assert {each.habits.has_exec_ids for each in drawn} == {profile == "nameless"}
    assert {each.settings.absent_policy for each in drawn} == {None, *AbsentPolicy}
