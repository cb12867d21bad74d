"""Each comparison of the two books can fail."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest

from domain.broker import BrokerFill, BrokerOrder, BrokerPosition, BrokerState
from domain.terms import OrderType, Side
from infra.brokers.paper import Ledger, Refusal
from tests.torture import oracle
from tests.unit.domain.orders import an_order

NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)
DAY = date(2026, 3, 2)
NAME = "c" * 20


def a_broker_order(name=NAME, number="0000000001"):
    return BrokerOrder(
        client_order_id=name,
        broker_order_id=number,
        trade_date=DAY,
        symbol="005930",
        side=Side.BUY,
        order_type=OrderType.MARKET,
        order_qty=Decimal(10),
        limit_px=None,
        cum_qty=Decimal(0),
        state=BrokerState.ACCEPTED,
        reason="",
        transact_time=NOW,
    )


def a_book(*orders, fills=(), positions=(), cash=oracle.OPENING_CASH):
    return Ledger(orders=orders, fills=fills, positions=positions, cash=cash)


def test_two_orders_of_one_signal_are_found():
    book = a_book(a_broker_order(), a_broker_order(number="0000000002"))

    assert list(oracle.one_order_for_each_signal(book)) == [
        f"I1: {NAME} has 2 orders at the broker"
    ]


def test_an_order_on_one_side_alone_is_found():
    ours = {NAME: SimpleNamespace(broker_order_id=None), "d": SimpleNamespace(broker_order_id="7")}

    found = list(oracle.same_orders(ours, a_book(a_broker_order())))

    assert [problem.split()[0] for problem in found] == ["I2:", "I2:"]


def test_a_fill_that_one_side_misses_is_found():
    fill = BrokerFill(
        client_order_id=NAME,
        broker_order_id="0000000001",
        trade_date=DAY,
        exec_id="e-1",
        symbol="005930",
        side=Side.BUY,
        last_qty=Decimal(10),
        last_px=Decimal(70_000),
        commission=None,
        tax=None,
        transact_time=NOW,
    )

    assert list(oracle.same_fills({}, a_book(fills=(fill,)))) == [
        f"I4: fills of {NAME}: 0 here, 1 there"
    ]


def test_a_position_that_differs_is_found():
    held = BrokerPosition(symbol="005930", qty=Decimal(10), avg_px=Decimal(70_000))
    reader = SimpleNamespace(positions=lambda: ())

    assert list(oracle.same_positions(reader, a_book(positions=(held,))))


def test_cash_that_does_not_add_up_is_found():
    order = an_order("filled")
    fill = order.fills[0]
    paid = fill.last_qty * fill.last_px + fill.commission + fill.tax
    right = a_book(cash=oracle.OPENING_CASH - paid)

    assert list(oracle.cash_adds_up({NAME: order}, right)) == []
    assert list(oracle.cash_adds_up({NAME: order}, replace(right, cash=right.cash + 1)))


def test_a_request_before_its_intent_is_found():
    def lines(at):
        row = SimpleNamespace(kind="SubmitStarted", stream=f"order/{NAME}", recorded_at=at)
        return SimpleNamespace(lines=lambda: [row])

    arrived = {"what": "received", "client_order_id": NAME, "at": NOW.timestamp()}

    assert list(oracle.intent_came_first(lines("2026-03-02T00:59:59Z"), [arrived])) == []
    assert list(oracle.intent_came_first(lines("2026-03-02T01:00:01Z"), [arrived]))
    assert list(oracle.intent_came_first(lines("2026-03-02T00:59:59Z"), [arrived, arrived]))


@pytest.mark.parametrize(
    ("code", "invariant"),
    [(Refusal.BAD_TERMS, "I9"), (Refusal.OFF_TICK, "I9"), (Refusal.DUPLICATE, "I1")],
)
def test_what_the_broker_had_to_refuse_is_found(code, invariant):
    note = {"what": "answered", "client_order_id": NAME, "code": code.value}

    (found,) = oracle.nothing_invalid_arrived([note])

    assert found.startswith(invariant)


def test_too_many_requests_in_a_second_are_found():
    fast = [{"what": "asked", "sent_s": number / 30} for number in range(21)]
    slow = [{"what": "asked", "sent_s": number / 20} for number in range(60)]

    assert len(list(oracle.limit_was_kept(fast))) == 1
    assert list(oracle.limit_was_kept(slow)) == []


def test_a_wish_without_an_order_and_an_order_without_an_end_are_found(tmp_path):
    (tmp_path / "wishes.jsonl").write_text('{"signal_id": "s-1"}\n{"signal_id": "bad-2"}\n')
    (tmp_path / "answers.jsonl").write_text(
        '{"number": 0, "client_order_id": "gone"}\n{"number": 1, "refu'
    )

    found = list(oracle.all_wishes_ended(tmp_path, {}))

    assert [problem.partition(":")[0] for problem in found] == ["I3", "I3"]
