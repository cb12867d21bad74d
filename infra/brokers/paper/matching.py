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
    return after, _execution(after, found, costs, at)


def withdrawn(
    order: PaperOrder, busted: Match, costs: Charges, at: datetime
) -> tuple[PaperOrder, Execution]:
    """Return the order without what was withdrawn, and the execution that takes it back.

    What was withdrawn does not trade again: an order that was full is over.
    """
    cum_qty = order.cum_qty - busted.qty
    state = order.state
    if state is BrokerState.FILLED:
        state = BrokerState.CANCELLED
    elif state is BrokerState.PARTIAL and not cum_qty:
        state = BrokerState.ACCEPTED
    after = replace(
        order,
        cum_qty=cum_qty,
        exec_count=order.exec_count + 1,
        state=state,
        reason="An execution was withdrawn.",
        transact_time=at,
    )
    back = Charges(commission=-costs.commission, tax=-costs.tax)
    return after, _execution(after, replace(busted, qty=-busted.qty), back, at)


def _execution(after: PaperOrder, found: Match, costs: Charges, at: datetime) -> Execution:
    fill = BrokerFill(
        client_order_id=after.client_order_id,
        broker_order_id=after.broker_order_id,
        trade_date=after.trade_date,
        exec_id=ExecId(str(after.exec_count)),
        symbol=after.symbol,
        side=after.side,
        last_qty=found.qty,
        last_px=found.px,
        commission=costs.commission,
        tax=costs.tax,
        transact_time=at,
    )
    return Execution(order_seq=after.seq, account_id=after.account_id, fill=fill)


def closed(order: PaperOrder, state: BrokerState, reason: str, at: datetime) -> PaperOrder:
    """Return the order taken off the book with what it has traded so far."""
    return replace(order, state=state, reason=reason, due=None, due_at=None, transact_time=at)
