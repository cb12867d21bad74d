"""Each check of the oracle can fail: it is shown what must never be."""

from collections import deque
from contextlib import nullcontext
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest

from domain.broker import BrokerState, ClientIdSupport, OrderRequest
from domain.events import Anomaly, Cancelled, Failed, Filled, Flagged, Rejected, Source
from domain.ids import client_order_id
from domain.journal import Append
from domain.order import evolve
from domain.position import change_for, evolve_book
from domain.settings import Settings
from domain.terms import ExecId, OrderType, SignalId, TimeInForce
from tests.fakes import MemoryStore
from tests.fakes_time import ManualClock
from tests.simulation.exchange import Exchange
from tests.simulation.oracle import Oracle, ViolationError
from tests.simulation.weather import Habits
from tests.unit.domain.orders import NOW, a_signal, accepted, created, not_sent, started

SIGNAL = a_signal(signal_id=SignalId("s-1"))
KNOWN = client_order_id(SIGNAL.account_id, SIGNAL.signal_id)
REQUEST = OrderRequest(
    client_order_id=KNOWN,
    symbol=SIGNAL.symbol,
    side=SIGNAL.side,
    order_qty=SIGNAL.order_qty,
    order_type=OrderType.MARKET,
    limit_px=None,
    time_in_force=TimeInForce.DAY,
)


class Bench:
    """An oracle, the two things it compares, and a pen for the record."""

    def __init__(self, policy=None, **habits):
        self.clock = ManualClock()
        self.store = MemoryStore(clock=self.clock)
        chosen = Habits(**{"client_ids": ClientIdSupport.TAG, "fill_s": 1e9, **habits})
        settings = Settings(absent_policy=policy)
        self.exchange = Exchange(self.clock, settings, chosen, Random(1), lambda _: None)
        self.oracle = Oracle(self.store, self.exchange, 20, is_hashed=True)
        self.oracle.signals[KNOWN] = SIGNAL
        self.journal = self.store.journal()
        self.order = None

    def write(self, *events, state=None):
        """Make events of the order durable."""
        before = self.order
        for event in events:
            self.order = evolve(self.order, event)
        self._append(f"order/{KNOWN}", before.version if before else 0, events, state or self.order)

    def apply(self, change, book):
        self._append("position/paper", book.version - 1, (change,), book)

    def _append(self, stream, version, events, state):
        topics = ((),) * len(events)
        batch = Append(stream=stream, version=version, events=events, topics=topics, state=state)
        self.journal.append(batch, lambda _: None)
        self.journal.drain()

    def booked(self):
        """Have the order written, sent and taken; return what the broker made of it."""
        self.write(created(SIGNAL), started())
        self.oracle.leaves(REQUEST, is_fenced=False)
        ack = self.exchange.place(REQUEST)
        self.write(
            replace(accepted(ack.broker_order_id), trade_date=ack.trade_date, source=Source.ANSWER)
        )
        return self.exchange.orders[0]

    def traded(self, booked, qty=100):
        """Execute a part; return the event that books it."""
        self.exchange.trade(booked, Decimal(qty), Decimal(70_000))
        fill = booked.fills[-1]
        shared = ("broker_order_id", "trade_date", "exec_id", "last_qty", "last_px")
        return Filled(
            **{name: getattr(fill, name) for name in shared},
            commission=fill.commission,
            tax=fill.tax,
            is_fee_from_broker=True,
            transact_time=fill.transact_time,
            source=Source.POLL,
            at=NOW,
        )

    def filled(self):
        """Trade the whole order and book it; return the applied change."""
        booked = self.booked()
        self.write(self.traded(booked))
        change = change_for(self.oracle.book, self.store.fills[0], NOW)
        self.apply(change, evolve_book(self.oracle.book, change))


@pytest.fixture
def bench():
    return Bench()


def broken(invariant, text=""):
    return pytest.raises(ViolationError, match=f"^{invariant}: .*{text}")


def test_a_good_day_is_good(bench):
    bench.filled()

    assert bench.oracle.unresolved() == []
    bench.oracle.check_end()


def test_two_orders_of_one_signal(bench):
    bench.booked()

    with broken("I1", "two orders"):
        bench.exchange.place(REQUEST)


def test_sent_again_though_it_is_there_or_on_its_way(bench):
    bench.write(created(SIGNAL), started())
    bench.oracle.leaves(REQUEST, is_fenced=False)
    bench.oracle._started[KNOWN] += 2
    bench.oracle.flying[KNOWN] += 1
    with broken("I1", "on its way"):
        bench.oracle.leaves(REQUEST, is_fenced=False)

    bench.exchange.place(REQUEST)
    with broken("I1", "has it"):
        bench.oracle.leaves(REQUEST, is_fenced=False)


def test_sent_before_it_is_written_down(bench):
    bench.write(created(SIGNAL))

    with broken("I8"):
        bench.oracle.leaves(REQUEST, is_fenced=False)


def test_sent_after_it_was_given_up(bench):
    bench.write(created(SIGNAL), started(), not_sent())

    with broken("I8", "given up"):
        bench.oracle.leaves(REQUEST, is_fenced=False)


def test_sent_by_a_fenced_engine(bench):
    bench.write(created(SIGNAL), started())

    with broken("I11"):
        bench.oracle.leaves(REQUEST, is_fenced=True)


@pytest.mark.parametrize(
    "changes", [{"order_qty": Decimal(101)}, {"limit_px": Decimal(1)}, {"symbol": "000660"}]
)
def test_sent_other_than_signalled(bench, changes):
    bench.write(created(SIGNAL), started())

    with broken("I9"):
        bench.oracle.leaves(replace(REQUEST, **changes), is_fenced=False)


def test_more_requests_than_the_limit(bench):
    times = deque()
    for number in range(20):
        bench.oracle.sent(times, number * 0.05)

    bench.oracle.sent(times, 1.0)
    with broken("I13"):
        bench.oracle.sent(times, 1.0)


@pytest.mark.parametrize("changes", [{"exec_id": "2"}, {"last_qty": Decimal(99)}])
def test_a_fill_that_the_broker_does_not_have(bench, changes):
    fill = bench.traded(bench.booked())

    with broken("I4"):
        bench.write(replace(fill, **changes))


def test_a_fill_of_an_order_of_others(bench):
    fill = bench.traded(bench.booked())
    bench.exchange.orders[0].is_ours = False

    with broken("I4", "no execution of this order"):
        bench.write(fill)


def test_a_fill_that_is_never_booked(bench):
    bench.traded(bench.booked())

    assert "of s-1 are 100 filled at the broker, 0 here" in bench.oracle.unresolved()
    with broken("I4"):
        bench.oracle.check_end()


def test_a_fill_that_is_not_in_the_position(bench):
    bench.write(bench.traded(bench.booked()))

    assert bench.oracle.unresolved() == ["1 fills not in the positions"]
    with broken("I5"):
        bench.oracle.check_end()


def test_a_fill_that_counts_twice_or_wrong(bench):
    bench.filled()
    change = change_for(replace(bench.oracle.book, checkpoint=0), bench.store.fills[0], NOW)

    with broken("I5"):
        bench.apply(change, evolve_book(replace(bench.oracle.book, checkpoint=0), change))


def test_cash_that_does_not_add_up(bench):
    bench.filled()
    bench.exchange.account.cash += 1

    with broken("I6"):
        bench.oracle.check_end()


def test_a_state_that_the_events_do_not_say(bench):
    bench.write(created(SIGNAL))
    wrong = replace(evolve(bench.order, started()), last_reason="made up")

    with broken("I7"):
        bench.write(started(), state=wrong)


def test_an_illegal_change_of_status(bench):
    bench.write(created(SIGNAL))

    with broken("status", "REJECTED of PENDING"):
        bench.write(Rejected(reason="no", code="", at=NOW))


def test_given_up_though_the_broker_has_it(bench):
    bench.write(created(SIGNAL))
    bench.exchange.place(REQUEST)

    with broken("I2", "the broker has it"):
        bench.write(Failed(rule="retries", reason="gave up", at=NOW))


def test_ended_here_though_it_works_there(bench):
    bench.booked()

    with broken("I2", "works at the broker"):
        bench.write(Cancelled(reason="assumed", at=NOW))


def test_another_end_here_than_there(bench):
    booked = bench.booked()
    booked.state = BrokerState.EXPIRED
    bench.write(Cancelled(reason="assumed", at=NOW))

    with broken("I2", "CANCELLED here, EXPIRED there"):
        bench.oracle.check_end()


def test_a_broker_order_that_is_not_written_down(bench):
    bench.exchange.place(REQUEST)

    with broken("I2", "not written down"):
        bench.oracle.check_end()


def test_an_order_that_is_bound_to_nothing(bench):
    bench.booked()
    bench.exchange.orders.clear()
    bench.exchange._named.clear()

    with broken("I2", "does not have"):
        bench.oracle.check_end()


def test_an_order_that_is_stuck(bench):
    bench.write(created(SIGNAL))

    assert bench.oracle.unresolved() == ["s-1 is PENDING"]
    with broken("I3", "stuck"):
        bench.oracle.check_end()


def test_acknowledged_and_not_durable(bench):
    with broken("I3"):
        bench.oracle.acknowledged(SIGNAL, KNOWN)


def total(bench, booked, qty=100, **changes):
    """Execute a part at a broker that tells totals; return the event that books it."""
    fill = bench.traded(booked, qty)
    return replace(fill, exec_id=ExecId(f"{booked.number}#{booked.cum_qty}"), **changes)


@pytest.fixture
def counter():
    """A bench whose broker tells only totals."""
    return Bench(has_exec_ids=False)


def test_a_total_that_is_the_brokers_is_good(counter):
    booked = counter.booked()

    counter.write(total(counter, booked, 40))
    counter.write(total(counter, booked, 60))

    assert counter.oracle.orders[KNOWN].cum_qty == 100


@pytest.mark.parametrize(
    "changes",
    [{"last_qty": Decimal(41)}, {"last_px": Decimal(70_001)}, {"last_qty": Decimal(-40)}],
)
def test_a_total_that_the_broker_does_not_count(counter, changes):
    booked = counter.booked()

    with broken("I4", "no such execution"):
        counter.write(total(counter, booked, 40, **changes))


@pytest.mark.parametrize(("client_ids", "is_asked"), [("NONE", True), ("TAG", False)])
def test_a_question_to_a_person_is_for_brokers_without_ids(client_ids, is_asked):
    bench = Bench(client_ids=ClientIdSupport(client_ids))
    bench.filled()
    bench.write(Flagged(anomaly=Anomaly.NOT_FOUND, detail="not there", at=NOW))

    with nullcontext() if is_asked else broken("flag"):
        bench.oracle.check_end()
