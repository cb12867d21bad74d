"""What every broker gateway does, whichever broker is behind it.

``world`` is every gateway; ``paper`` those where an order can rest and whose market, time and
network a test can move.
"""

from decimal import Decimal

import pytest

from domain.broker import (
    Absent,
    BrokerState,
    ClientIdSupport,
    OrderNews,
)
from domain.errors import (
    NotSentError,
    OutcomeUnknownError,
    RateLimitedError,
    RefusedError,
)
from domain.terms import Side, TimeInForce
from tests.contract.gateways import (
    ACCOUNT,
    OPENING_CASH,
    SAMSUNG,
    PaperWorld,
    World,
    a_null_world,
    a_paper_world,
    a_ref,
    a_simulated_world,
    an_order,
)


@pytest.fixture(
    params=[a_paper_world, a_null_world, a_simulated_world], ids=["paper", "null", "simulated"]
)
def world(request, tmp_path) -> World:
    made = request.param(tmp_path)
    yield made
    made.gateway.close()


@pytest.fixture
def paper(tmp_path):
    made: list[PaperWorld] = []

    def make(**options: object) -> PaperWorld:
        made.append(a_paper_world(tmp_path, **options))
        return made[-1]

    yield make
    for each in made:
        each.gateway.close()


def kinds_of(news) -> list[str]:
    return [
        each.order.state if isinstance(each, OrderNews) else type(each).__name__ for each in news
    ]


# Every gateway.


def test_a_placed_order_has_a_number_and_a_trade_date(world):
    ack = world.place()

    found = world.order()
    assert (found.broker_order_id, found.trade_date) == (ack.broker_order_id, ack.trade_date)
    assert (found.symbol, found.side, found.order_qty) == (SAMSUNG, Side.BUY, Decimal(10))


def test_a_used_client_order_id_is_refused_and_the_first_order_stands(world):
    first = world.place()

    with pytest.raises(RefusedError) as refusal:
        world.place(order_qty=Decimal(99))

    assert refusal.value.code == "DUPLICATE"
    assert [each.broker_order_id for each in world.orders()] == [first.broker_order_id]
    assert world.order().order_qty == 10


def test_an_unknown_client_order_id_is_absent_from_a_complete_answer(world):
    assert world.find("nobody") == Absent(is_complete=True)


def test_fills_add_up_to_the_order_and_are_keyed_within_it(world):
    acks = {world.place("one").broker_order_id, world.place("two").broker_order_id}

    fills = world.fills()

    assert {each.broker_order_id for each in fills} == acks
    assert sum(each.last_qty for each in fills) == 20
    keys = [(each.trade_date, each.broker_order_id, each.exec_id) for each in fills]
    assert len(set(keys)) == len(keys)
    assert {each.exec_id for each in fills} == {"1"}


def test_a_fill_told_with_the_acknowledgement_is_the_one_that_is_listed(world):
    ack = world.place()

    assert ack.fills in ((), world.fills())


def test_inquiries_begin_at_since_and_are_complete(world):
    world.place("early")
    world.clock.advance(60)
    since = world.clock.now()
    world.place("late")

    page = world.gateway.list_orders(ACCOUNT, since)

    assert [each.client_order_id for each in page.items] == ["late"]
    assert page.is_complete
    assert page.as_of <= world.clock.now()
    assert [each.client_order_id for each in world.fills(since)] == ["late"]
    assert [each.client_order_id for each in world.orders()] == ["early", "late"]


def test_a_filled_order_cannot_be_cancelled(world):
    ack = world.place()

    with pytest.raises(RefusedError):
        world.cancel(ack)

    assert world.order().state is BrokerState.FILLED


def test_positions_and_cash_follow_the_fills(world):
    world.place("buy", order_qty=Decimal(30))
    world.place("sell", side=Side.SELL)

    (held,) = world.gateway.list_positions(ACCOUNT).items

    assert (held.symbol, held.qty, held.avg_px) == (SAMSUNG, Decimal(20), Decimal(70_000))
    costs = sum((each.commission or 0) + (each.tax or 0) for each in world.fills())
    assert world.cash() == OPENING_CASH - 20 * 70_000 - costs
    assert world.gateway.get_balance(ACCOUNT).currency == "KRW"


def test_a_flat_position_is_not_listed(world):
    world.place("buy")
    world.place("sell", side=Side.SELL)

    assert world.gateway.list_positions(ACCOUNT).items == ()


def test_the_capabilities_are_those_of_a_broker_without_real_money(world):
    capabilities = world.gateway.capabilities

    assert capabilities.client_ids is ClientIdSupport.UNIQUE
    assert not capabilities.is_live


def test_closing_twice_does_nothing_more(world):
    world.gateway.close()
    world.gateway.close()


# Gateways where orders rest.


def test_a_resting_order_is_cancelled_and_cancelling_again_does_no_harm(paper):
    world = paper()
    ack = world.place(limit_px=Decimal(60_000))

    first, second = world.cancel(ack), world.cancel(ack)

    assert (first.is_done, second.is_done) == (True, True)
    assert world.order().state is BrokerState.CANCELLED
    world.push(60_000)
    assert world.fills() == ()


def test_a_cancel_of_an_unknown_order_is_refused(paper):
    world = paper()
    ack = world.place(limit_px=Decimal(60_000))

    with pytest.raises(RefusedError) as refusal:
        world.gateway.cancel_order("B-2", a_ref(an_order(), ack), "cancel-1")

    assert refusal.value.code == "40320000"


def test_a_fill_may_cross_a_cancel_that_was_only_accepted(paper):
    world = paper(cancel_s=1.0)
    ack = world.place(limit_px=Decimal(60_000))

    assert not world.cancel(ack).is_done
    world.push(60_000, volume=40)
    assert not world.cancel(ack).is_done
    world.settle()

    assert world.order().state is BrokerState.CANCELLED
    assert world.order().cum_qty == 4


def test_an_order_whose_request_was_lost_is_absent_and_may_be_placed_again(paper):
    world = paper(faults={("place", 1): "answer_lost_before_booking"})
    before = world.clock.monotonic()

    with pytest.raises(OutcomeUnknownError):
        world.place()

    assert world.clock.monotonic() - before == pytest.approx(5.0)
    assert world.find() == Absent(is_complete=True)
    assert world.place().broker_order_id == "0000000001"


def test_an_order_whose_answer_was_lost_is_found_and_not_taken_twice(paper):
    world = paper(faults={("place", 1): "answer_lost_after_booking"})
    before = world.clock.monotonic()

    with pytest.raises(OutcomeUnknownError):
        world.place()

    assert world.clock.monotonic() - before == pytest.approx(5.0)
    assert world.order().state is BrokerState.FILLED
    with pytest.raises(RefusedError):
        world.place()
    assert len(world.orders()) == 1


def test_an_order_may_be_booked_after_the_caller_gave_up(paper):
    world = paper(faults={("place", 1): "booked_late"})

    with pytest.raises(OutcomeUnknownError):
        world.place()
    at_timeout = world.ledger().orders
    world.clock.advance(0.1)

    assert at_timeout == ()
    assert world.order().state is BrokerState.FILLED


@pytest.mark.parametrize(("kind", "booked"), [("http_500_before", 0), ("http_500_after", 1)])
def test_a_server_error_leaves_the_outcome_unknown(paper, kind, booked):
    world = paper(faults={("place", 1): kind})

    with pytest.raises(OutcomeUnknownError):
        world.place()

    assert len(world.orders()) == booked


def test_a_request_that_was_not_sent_leaves_no_order(paper):
    world = paper(faults={("place", SAMSUNG): ["not_sent", "not_sent"]})

    for _ in range(2):
        with pytest.raises(NotSentError):
            world.place()

    assert world.orders() == ()
    assert world.place().broker_order_id == "0000000001"


def test_requests_over_the_limit_are_not_looked_at_and_say_when_to_come_back(paper):
    world = paper(latency_s=(0.0, 0.0), rate_limit=3)
    for number in range(3):
        world.place(str(number))

    with pytest.raises(RateLimitedError) as limited:
        world.place("over")

    assert limited.value.retry_after_s == pytest.approx(1.0)
    world.clock.advance(limited.value.retry_after_s)
    world.place("over")
    assert len(world.ledger().orders) == 4


def test_the_stream_tells_an_order_and_its_fill_in_order(paper):
    world = paper()

    world.place()
    world.settle()

    assert kinds_of(world.news) == ["ACCEPTED", "FillNews"]
    assert world.news[1].fill == world.fills()[0]


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("lost", ["ACCEPTED", "CANCELLED"]),
        ("duplicate", ["ACCEPTED", "FillNews", "FillNews", "CANCELLED"]),
        ("late", ["ACCEPTED", "CANCELLED", "FillNews"]),
        ("reordered", ["ACCEPTED", "CANCELLED", "FillNews"]),
        ("gap", ["ACCEPTED", "StreamGap", "CANCELLED"]),
    ],
)
def test_stream_messages_may_be_lost_doubled_late_or_out_of_order(paper, kind, told):
    world = paper(faults={("stream", 2): kind})
    world.push(volume=40)

    world.place(time_in_force=TimeInForce.IOC)
    world.settle()

    assert kinds_of(world.news) == told
    assert world.order().cum_qty == 4


def test_an_incomplete_answer_says_so(paper):
    world = paper(faults={("orders", 1): "incomplete", ("find", 1): "incomplete"})
    world.place("one")
    world.place("two")

    page = world.gateway.list_orders(ACCOUNT, world.start)

    assert (len(page.items), page.is_complete) == (1, False)
    assert world.find("nobody") == Absent(is_complete=False)


def test_an_accepted_order_may_be_hidden_for_a_while(paper):
    world = paper(hidden_s=0.5)
    world.place()

    assert world.find() == Absent(is_complete=True)
    assert (world.orders(), world.fills()) == ((), ())
    world.clock.advance(0.5)
    assert world.order().state is BrokerState.FILLED
    assert len(world.orders()) == len(world.fills()) == 1


def test_a_broker_started_again_knows_everything(paper):
    world = paper()
    world.push(volume=40)
    world.place("part")
    world.place("sell", side=Side.SELL, limit_px=Decimal(80_000))
    before = world.ledger()

    world.reopen()

    assert world.ledger() == before
    assert world.place("next", limit_px=Decimal(60_000)).broker_order_id == "0000000003"
    with pytest.raises(RefusedError):
        world.place("part")
    world.push(volume=1_000)
    assert world.order("part").state is BrokerState.FILLED
    keys = [each.exec_id for each in world.fills() if each.client_order_id == "part"]
    assert keys == ["1", "2"]
