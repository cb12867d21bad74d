"""How an order meets a quote: pure rules, no book and no clock."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from domain.broker import BrokerFill, BrokerState
from domain.fees import Charges
from domain.instrument import Instrument, round_to_tick
from domain.money import round_down
from domain.terms import ExecId, Side, TimeInForce
from infra.brokers.paper.market import Quote
from infra.brokers.paper.orders import Execution, PaperOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What an order can do at once."""

    qty: Decimal
    px: Decimal


def match(
    order: PaperOrder, quote: Quote, available: Decimal, instrument: Instrument
) -> Match | None:
    """Return what ``order`` trades on ``quote``, or None.

    The price is the quote's, rounded to the tick against the trader; a limit order trades when
    that is at the limit or better for it. The quantity is what the volume leaves, in whole lots;
    a FOK order trades all or nothing.
    """
    if is_out_of_reach(order, quote):
        return None
    px = round_to_tick(instrument, quote.last_px, order.trade_date, order.side)
    # The limit is on a tick as well, so that rounding up to a tick cannot pass it.
    assert order.limit_px is None or (px - order.limit_px) * order.side.sign <= 0
    qty = min(order.leaves_qty, round_down(available, instrument.lot))
    if qty <= 0 or (order.time_in_force is TimeInForce.FOK and qty < order.leaves_qty):
        return None
    return Match(qty=qty, px=px)


def is_out_of_reach(order: PaperOrder, quote: Quote) -> bool:
    """Return whether the market is on the far side of the limit; rounding only adds to that."""
    limit_px, last_px = order.limit_px, quote.last_px
    if limit_px is None:
        return False
    return last_px > limit_px if order.side is Side.BUY else last_px < limit_px


def executed(
    order: PaperOrder, found: Match, costs: Charges, at: datetime
) -> tuple[PaperOrder, Execution]:
    """Return the order after the execution, and the execution with the order's next number."""
    cum_qty = order.cum_qty + found.qty
    number = order.exec_count + 1
    is_full = cum_qty == order.order_qty
    after = replace(
        order,
        cum_qty=cum_qty,
        exec_count=number,
        state=BrokerState.FILLED if is_full else BrokerState.PARTIAL,
        reason="" if is_full else order.reason,
        due=None if is_full else order.due,
        due_at=None if is_full else order.due_at,
        transact_time=at,
    )
    fill = BrokerFill(
        client_order_id=order.client_order_id,
        broker_order_id=order.broker_order_id,
        trade_date=order.trade_date,
        exec_id=ExecId(str(number)),
        symbol=order.symbol,
        side=order.side,
        last_qty=found.qty,
        last_px=found.px,
        commission=costs.commission,
        tax=costs.tax,
        transact_time=at,
    )
    return after, Execution(order_seq=order.seq, account_id=order.account_id, fill=fill)


def closed(order: PaperOrder, state: BrokerState, reason: str, at: datetime) -> PaperOrder:
    """Return the order taken off the book with what it has traded so far."""
    return replace(order, state=state, reason=reason, due=None, due_at=None, transact_time=at)
