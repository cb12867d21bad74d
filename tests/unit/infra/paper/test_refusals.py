"""What the paper broker refuses at the door: it leaves no order, and its code says why."""

from decimal import Decimal

import pytest

from domain.broker import Absent
from domain.errors import InvalidInputError, RefusedError
from domain.instrument import Instrument, Instruments
from domain.terms import OrderType, Side, Symbol
from infra.brokers.paper import Refusal
from tests.contract.gateways import SAMSUNG, a_paper_world

LOT_10 = Instrument(symbol=Symbol("LOT10"), lot=Decimal(10))
FREE = Instrument(symbol=Symbol("FREE"), price_limit=None)
KNOWN = Instruments(table=(Instrument(symbol=SAMSUNG), LOT_10, FREE), default=None)


@pytest.fixture
def world(tmp_path):
    made = a_paper_world(tmp_path, instruments=KNOWN, shorting=False)
    yield made
    made.gateway.close()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"symbol": Symbol("NOBODY")}, Refusal.NOT_TRADABLE),
        ({"symbol": LOT_10.symbol}, Refusal.NOT_TRADABLE),
        ({"symbol": LOT_10.symbol, "order_qty": Decimal(15)}, Refusal.BAD_TERMS),
        ({"order_qty": Decimal(0)}, Refusal.BAD_TERMS),
        ({"order_qty": Decimal("0.5")}, Refusal.BAD_TERMS),
        ({"order_type": OrderType.LIMIT}, Refusal.BAD_TERMS),
        ({"order_type": OrderType.MARKET, "limit_px": Decimal(70_000)}, Refusal.BAD_TERMS),
        ({"limit_px": Decimal(70_050)}, Refusal.OFF_TICK),
        ({"limit_px": Decimal(0)}, Refusal.OFF_TICK),
        ({"limit_px": Decimal(91_100)}, Refusal.OUTSIDE_BAND),
        ({"limit_px": Decimal(48_900)}, Refusal.OUTSIDE_BAND),
        ({"order_qty": Decimal(1_100)}, Refusal.NO_CASH),
        ({"order_qty": Decimal(1_429), "limit_px": Decimal(70_000)}, Refusal.NO_CASH),
        ({"side": Side.SELL}, Refusal.NO_HOLDINGS),
    ],
)
def test_a_refused_order_leaves_nothing_and_says_why(world, changes, code):
    with pytest.raises(RefusedError) as refusal:
        world.place(**changes)

    assert refusal.value.code == code
    assert world.find() == Absent(is_complete=True)
    assert world.ledger().orders == ()


def test_a_refused_client_order_id_may_be_used_again(world):
    with pytest.raises(RefusedError):
        world.place(order_qty=Decimal(0))

    assert world.place().broker_order_id == "0000000001"


@pytest.mark.parametrize("limit_px", [49_000, 91_000])
def test_a_limit_at_the_price_limit_is_accepted(world, limit_px):
    world.place(limit_px=Decimal(limit_px))

    assert world.order().limit_px == limit_px


def test_cash_that_open_buys_claim_is_not_free(world):
    ack = world.place("big", order_qty=Decimal(1_400), limit_px=Decimal(60_000))

    with pytest.raises(RefusedError):
        world.place("more", order_qty=Decimal(400), limit_px=Decimal(60_000))
    world.cancel(ack, "big")
    world.place("more", order_qty=Decimal(400), limit_px=Decimal(60_000))


def test_shares_that_open_sells_claim_are_not_free(world):
    world.place("buy")
    ack = world.place("first", side=Side.SELL, limit_px=Decimal(80_000))

    with pytest.raises(RefusedError):
        world.place("second", side=Side.SELL, limit_px=Decimal(80_000))
    world.cancel(ack, "first")
    world.place("second", side=Side.SELL, limit_px=Decimal(80_000))


def test_a_limit_order_waits_for_the_first_quote(world):
    world.place(symbol=LOT_10.symbol, limit_px=Decimal(70_000))

    world.push(symbol=LOT_10.symbol)

    assert [each.last_qty for each in world.fills()] == [10]


def test_without_a_price_limit_a_market_buy_holds_back_the_last_price(world):
    world.push(symbol=FREE.symbol)

    world.place(symbol=FREE.symbol, order_qty=Decimal(1_400))

    assert world.order().cum_qty == 1_400


@pytest.mark.parametrize(
    "changes", [{"px": 0}, {"px": "NaN"}, {"base_px": -1}, {"volume": -1}, {"volume": "NaN"}]
)
def test_a_quote_that_no_market_has_is_refused(world, changes):
    with pytest.raises(InvalidInputError):
        world.push(**changes)
