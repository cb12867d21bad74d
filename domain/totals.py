"""Fills of a broker that tells only totals: the difference between its total and our ledger.

The sum over the ledger always equals the broker's own total, to the last digit. Where the price of
a difference is no finite decimal, it is booked as two executions one step of price apart, so that
nothing is rounded. From an average price (``avg_px``) the total is exact as the broker rounds it;
what it rounds away comes with the next difference.
"""

from collections.abc import Iterator
from decimal import Decimal

from domain.broker import BrokerFill, BrokerOrder
from domain.money import exact, trim
from domain.order import Order
from domain.terms import ZERO, ExecId

_MOST_DECIMALS = 10


def total_fault(order: Order, news: BrokerOrder) -> str:
    """Return why a total cannot be booked, in words with both numbers; empty when it can.

    Such a total is taken as a whole or not at all. A later one that makes sense brings what is
    missing, since only differences to the ledger are booked.
    """
    with exact():
        qty, amount = _booked(order, news)
        told = _amount(news)
        more = news.cum_qty - qty
        if news.cum_qty < ZERO:
            problem = "is below zero"
        elif not more:
            return ""
        elif told is None:
            problem = "comes without amount and price"
        elif (told - amount) / more <= ZERO:
            problem = f"for {trim(told)} in all leaves no price above zero"
        else:
            return ""
        return (
            f"broker order {news.broker_order_id}: its total of {trim(news.cum_qty)} {problem}; "
            f"booked are {trim(qty)} for {trim(amount)}, and nothing was changed"
        )


def total_fills(order: Order, news: BrokerOrder) -> tuple[BrokerFill, ...]:
    """Return the executions that take our ledger of a broker's order to the broker's total.

    A lower total gives executions of negative quantity: believe it only when it has stayed. The
    total has to be without ``total_fault``.
    """
    with exact():
        qty, amount = _booked(order, news)
        told = _amount(news)
        if news.cum_qty == qty:
            return ()
        assert told is not None, f"order {news.broker_order_id} has no amount and no price"
        sign = 1 if news.cum_qty > qty else -1
        round_no = order.busts if sign > 0 else order.busts + 1
        fills = []
        for part, px in _split(sign * (news.cum_qty - qty), sign * (told - amount)):
            qty += sign * part
            fills.append(_fill(news, sign * part, px, _exec_id(news, qty, round_no)))
        return tuple(fills)


def _booked(order: Order, news: BrokerOrder) -> tuple[Decimal, Decimal]:
    """Return quantity and amount of what our ledger has of that number."""
    number = (news.broker_order_id, news.trade_date)
    booked = [f for f in order.fills if (f.broker_order_id, f.trade_date) == number]
    qty = sum((fill.last_qty for fill in booked), ZERO)
    return qty, sum((fill.last_qty * fill.last_px for fill in booked), ZERO)


def _amount(news: BrokerOrder) -> Decimal | None:
    if news.cum_amount is not None:
        return news.cum_amount
    if not news.cum_qty:
        return ZERO
    return None if news.avg_px is None else news.avg_px * news.cum_qty


def _split(qty: Decimal, amount: Decimal) -> Iterator[tuple[Decimal, Decimal]]:
    """Yield quantities and prices whose sum is exactly ``amount``: one, or two neighbours.

    Both are above zero: of an amount with fewer units than there are lots the unit is made smaller.
    """
    px = trim(amount / qty)
    if px * qty == amount and _exponent(px) >= -_MOST_DECIMALS:
        yield qty, px
        return
    unit, lot = _unit(amount), _unit(qty)
    while amount / unit < qty / lot:
        unit = unit.scaleb(-1)
    whole, rest = divmod(int(amount / unit), int(qty / lot))
    step = unit / lot
    yield qty - rest * lot, trim(whole * step)
    if rest:
        yield rest * lot, trim((whole + 1) * step)


def _unit(value: Decimal) -> Decimal:
    return Decimal(1).scaleb(_exponent(trim(value)))


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int), "totals are finite"
    return exponent


def _exec_id(news: BrokerOrder, cum_qty: Decimal, round_no: int) -> ExecId:
    """A total that was withdrawn may be reached again: then it is another execution."""
    again = f".{round_no}" if round_no else ""
    return ExecId(f"{news.broker_order_id}#{trim(cum_qty)}{again}")


def _fill(news: BrokerOrder, last_qty: Decimal, last_px: Decimal, exec_id: ExecId) -> BrokerFill:
    return BrokerFill(
        client_order_id=news.client_order_id,
        broker_order_id=news.broker_order_id,
        trade_date=news.trade_date,
        exec_id=exec_id,
        symbol=news.symbol,
        side=news.side,
        last_qty=last_qty,
        last_px=last_px,
        commission=None,
        tax=None,
        transact_time=news.transact_time,
    )
