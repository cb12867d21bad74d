"""What the paper broker trades: prices, volumes, times in force, the end of the day."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.broker import BrokerState, FillNews, OrderNews
from domain.errors import RefusedError
from domain.session import ALWAYS_OPEN
from domain.terms import Side, Symbol, TimeInForce
from infra.brokers.paper import PaperSettings
from tests.contract.gateways import OPENING_CASH, SAMSUNG, PaperWorld, a_paper_world


@pytest.fixture
def world(tmp_path):
    made = a_paper_world(tmp_path)
    yield made
    made.gateway.close()


def prices(world: PaperWorld) -> list[Decimal]:
    return [each.last_px for each in world.fills()]


@pytest.mark.parametrize(("side", "px"), [(Side.BUY, 70_100), (Side.SELL, 70_000)])
def test_a_market_order_trades_at_the_quote_rounded_to_the_tick_against_it(world, side, px):
    world.push("70033.4")

    world.place(side=side)

    assert prices(world) == [px]


@pytest.mark.parametrize(
    ("side", "limit_px", "quote_px", "px"),
    [
        (Side.BUY, 70_000, 70_000, 70_000),
        (Side.BUY, 70_000, 69_500, 69_500),
        (Side.BUY, 70_000, "69933.4", 70_000),
        (Side.BUY, 70_000, 70_100, None),
        (Side.BUY, 70_000, "70033.4", None),
        (Side.SELL, 70_000, 70_000, 70_000),
        (Side.SELL, 70_000, 70_500, 70_500),
        (Side.SELL, 70_000, 69_900, None),
    ],
)
def test_a_limit_order_trades_at_its_limit_or_better_or_not_at_all(
    world, side, limit_px, quote_px, px
):
    world.push(quote_px)

    world.place(side=side, limit_px=Decimal(limit_px))

    assert prices(world) == ([] if px is None else [px])


def test_a_resting_limit_order_trades_when_the_market_comes_through_it(world):
    world.place(limit_px=Decimal(69_000))

    world.push(69_100)
    world.push(68_900)

    assert prices(world) == [68_900]


def test_orders_of_a_symbol_share_a_tenth_of_the_volume_in_time_priority(world):
    world.push(60_000, volume=0)
    for name in ("first", "second", "third"):
        world.place(name, order_qty=Decimal(30), limit_px=Decimal(60_000))

    world.push(60_000, volume=450)

    assert [(each.client_order_id, each.last_qty) for each in world.fills()] == [
        ("first", 30),
        ("second", 15),
    ]
    assert world.order("second").state is BrokerState.PARTIAL
    assert world.order("third").cum_qty == 0


def test_volume_used_up_is_gone_until_the_next_quote(world):
    world.push(volume=150)

    world.place("one")
    world.place("two")
    world.push(volume=150)

    assert [(each.client_order_id, each.last_qty) for each in world.fills()] == [
        ("one", 10),
        ("two", 5),
        ("two", 5),
    ]


def test_executions_of_an_order_are_numbered_from_one(world):
    world.push(volume=40)
    world.place("one")
    world.push(volume=40)
    world.place("two", limit_px=Decimal(70_000))
    world.push(volume=400)

    keys = [(each.client_order_id, each.exec_id) for each in world.fills()]
    assert keys == [("one", "1"), ("one", "2"), ("one", "3"), ("two", "1")]


def test_ioc_takes_what_is_there_and_lets_go_of_the_rest(world):
    world.push(volume=40)

    world.place(time_in_force=TimeInForce.IOC)

    assert (world.order().state, world.order().cum_qty) == (BrokerState.CANCELLED, 4)


@pytest.mark.parametrize(
    ("volume", "state", "cum_qty"),
    [(99, BrokerState.CANCELLED, 0), (100, BrokerState.FILLED, 10)],
)
def test_fok_takes_all_or_nothing(world, volume, state, cum_qty):
    world.push(volume=volume)

    world.place(time_in_force=TimeInForce.FOK)

    assert (world.order().state, world.order().cum_qty) == (state, cum_qty)


def test_a_day_order_expires_when_the_session_closes(world):
    world.push(volume=40)
    world.place("part")
    world.place("none", limit_px=Decimal(60_000))
    close = world.session.close_of(world.clock.now().date())

    world.clock.advance_to(close - timedelta(seconds=1))
    before = [each.state for each in world.ledger().orders]
    world.clock.advance(2)

    assert before == [BrokerState.PARTIAL, BrokerState.ACCEPTED]
    assert [each.state for each in world.ledger().orders] == [BrokerState.EXPIRED] * 2
    assert world.order("part").cum_qty == 4
    expired = [each for each in world.news if isinstance(each, OrderNews)]
    assert [each.order.state for each in expired[-2:]] == [BrokerState.EXPIRED] * 2


def test_orders_left_open_expire_when_the_broker_is_opened_on_a_later_day(world):
    world.place(limit_px=Decimal(60_000))
    world.gateway.close()
    world.clock.advance(86_400)
    world.reopen()

    assert world.order().state is BrokerState.EXPIRED


def test_nothing_waits_when_nothing_is_open(world):
    world.clock.advance(86_400)
    world.place(limit_px=Decimal(60_000))
    world.clock.advance(86_400)

    assert world.clock.pending == 0


def test_a_close_that_the_wall_clock_has_not_reached_is_waited_for_again(world, monkeypatch):
    world.place(limit_px=Decimal(60_000))
    close = world.session.close_of(world.clock.now().date())
    early = close - timedelta(hours=1)

    with monkeypatch.context() as stepped:
        stepped.setattr(world.clock, "now", lambda: early)
        world.clock.advance(5.5 * 3_600)
        assert world.ledger().orders[0].state is BrokerState.ACCEPTED
    world.clock.advance(3_600)

    assert world.ledger().orders[0].state is BrokerState.EXPIRED


def test_order_numbers_start_again_each_trade_date(world):
    first = world.place("monday")
    world.clock.advance(86_400)
    world.push()
    second = world.place("tuesday")

    assert first.broker_order_id == second.broker_order_id == "0000000001"
    assert second.trade_date - first.trade_date == timedelta(days=1)
    assert world.order("monday").trade_date == first.trade_date


def test_the_exchange_may_refuse_what_the_broker_accepted(tmp_path):
    world = a_paper_world(tmp_path, faults={("place", SAMSUNG): "async_reject"})

    world.place()
    world.push()
    accepted = world.order().state
    world.settle()

    assert (accepted, world.order().state) == (BrokerState.ACCEPTED, BrokerState.REJECTED)
    assert world.fills() == ()
    assert not any(isinstance(each, FillNews) for each in world.news)


def test_a_cancel_and_a_refusal_under_way_outlive_the_broker(tmp_path):
    world = a_paper_world(
        tmp_path, faults={("place", 1): "async_reject"}, cancel_s=30, async_reject_s=30
    )
    world.place("doomed")
    world.cancel(world.place("cancelled", limit_px=Decimal(60_000)), "cancelled")

    world.reopen()
    world.clock.advance(31)

    assert world.order("doomed").state is BrokerState.REJECTED
    assert world.order("cancelled").state is BrokerState.CANCELLED


def test_a_full_fill_wins_over_a_cancel_under_way(tmp_path):
    world = a_paper_world(tmp_path, cancel_s=1)
    ack = world.place(limit_px=Decimal(60_000))
    world.cancel(ack)

    world.push(60_000)
    world.settle()

    assert (world.order().state, world.order().reason) == (BrokerState.FILLED, "")


def test_a_halted_symbol_neither_takes_orders_nor_trades(world):
    world.place(limit_px=Decimal(60_000))
    world.gateway.market.halt(SAMSUNG)

    world.push(60_000)
    with pytest.raises(RefusedError):
        world.place("two")
    halted = world.fills()
    world.gateway.market.resume(SAMSUNG)
    world.push(60_000)

    assert (halted, len(world.fills())) == ((), 1)


def test_nothing_trades_while_the_session_is_closed(world):
    world.clock.advance_to(world.session.close_of(world.clock.now().date()))

    with pytest.raises(RefusedError) as refusal:
        world.place()
    world.push()

    assert refusal.value.code == "40580000"


def test_accounts_do_not_see_each_other(world):
    world.place()

    assert world.gateway.list_orders("B-2", world.start).items == ()
    assert world.gateway.list_fills("B-2", world.start).items == ()
    assert world.gateway.get_balance("B-2").cash == OPENING_CASH
    assert world.gateway.broker.ledger("B-2").orders == ()


OTHER = Symbol("069500")
ORDERS = st.tuples(
    st.sampled_from(Side),
    st.integers(1, 300),
    st.sampled_from([None, 65_000, 69_000, 70_000, 71_000, 75_000]),
    st.sampled_from(TimeInForce),
    st.sampled_from([SAMSUNG, OTHER]),
)
QUOTES = st.tuples(st.integers(60_000, 80_000), st.integers(0, 5_000))


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(st.tuples(ORDERS, QUOTES), max_size=8), shorting=st.booleans())
def test_cash_and_positions_are_the_sum_of_the_fills(tmp_path_factory, steps, shorting):
    world = a_paper_world(
        tmp_path_factory.mktemp("book"),
        session=ALWAYS_OPEN,
        shorting=shorting,
        power_safe=False,
        rate_limit=10_000,
    )
    for number, ((side, qty, limit_px, time_in_force, symbol), (px, volume)) in enumerate(steps):
        world.push(px, volume, symbol=symbol)
        limit = None if limit_px is None else Decimal(limit_px)
        try:
            world.place(
                str(number),
                side=side,
                order_qty=Decimal(qty),
                limit_px=limit,
                time_in_force=time_in_force,
                symbol=symbol,
            )
        except RefusedError:
            assert world.find(str(number)).is_complete
    ledger = world.ledger()
    world.reopen()

    assert world.ledger() == ledger
    check(ledger, shorting=shorting)
    world.gateway.close()


def check(ledger, *, shorting: bool) -> None:
    """Cash is conserved, no order is overfilled, nothing is sold that was not there."""
    cash, held = OPENING_CASH, {}
    for fill in ledger.fills:
        cash -= fill.side.sign * fill.last_qty * fill.last_px + fill.commission + fill.tax
        held[fill.symbol] = held.get(fill.symbol, 0) + fill.side.sign * fill.last_qty
        assert shorting or held[fill.symbol] >= 0
        assert cash >= 0
    assert ledger.cash == cash
    assert {each.symbol: each.qty for each in ledger.positions} == {
        symbol: qty for symbol, qty in held.items() if qty
    }
    for order in ledger.orders:
        mine = [f for f in ledger.fills if f.client_order_id == order.client_order_id]
        assert sum(fill.last_qty for fill in mine) == order.cum_qty <= order.order_qty
        assert (order.state is BrokerState.FILLED) == (order.cum_qty == order.order_qty)


def test_the_defaults_are_those_of_the_design():
    assert PaperSettings().rate_limit == 20
    assert PaperSettings().timeout_s == 5.0
