"""Positions and realized P&L: a fold over the fill ledger, by average cost.

A fill against the position closes first and realizes; what is left of it opens the other way at
its own price. Fees belong to the fill that caused them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal

from domain.money import exact, round_half_even, trim
from domain.terms import ZERO, AccountId, BrokerOrderId, ClientOrderId, ExecId, Side, Symbol

# Fills are summed without rounding; only a share of the cost must be cut off somewhere.
_COST_STEP = Decimal("1e-8")
_AVERAGE = Context(prec=28, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFill:
    """A booked fill, for the PositionActor. ``seq`` is the number of its journal event.

    A negative ``last_qty`` withdraws an execution; ``side`` is that of the order, and the fees are
    what is given back, negative as well.
    """

    seq: int
    client_order_id: ClientOrderId
    broker_order_id: BrokerOrderId
    exec_id: ExecId
    trade_date: date
    symbol: Symbol
    side: Side
    last_qty: Decimal
    last_px: Decimal
    commission: Decimal
    tax: Decimal
    transact_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What we hold of one symbol, and what it has earned so far.

    Attributes:
        qty: Shares; negative is short.
        cost: Price times quantity of what is open, signed like ``qty``.
        realized_gross: Before fees and taxes.
        fees: All commissions so far.
        taxes: All sell taxes so far.
    """

    symbol: Symbol
    qty: Decimal = ZERO
    cost: Decimal = ZERO
    realized_gross: Decimal = ZERO
    fees: Decimal = ZERO
    taxes: Decimal = ZERO

    @property
    def avg_px(self) -> Decimal | None:
        """Average price of what is open, to 28 digits; None when flat."""
        return _AVERAGE.divide(self.cost, self.qty) if self.qty else None

    @property
    def realized_net(self) -> Decimal:
        """Realized, less all fees and taxes so far."""
        with exact():
            return self.realized_gross - self.fees - self.taxes


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyPnl:
    """What one trade date realized and what it cost, over all symbols."""

    day: date
    realized_gross: Decimal = ZERO
    fees: Decimal = ZERO
    taxes: Decimal = ZERO

    @property
    def net(self) -> Decimal:
        """Realized, less fees and taxes of that day."""
        with exact():
            return self.realized_gross - self.fees - self.taxes


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionBook:
    """All positions of one account.

    Attributes:
        positions: By symbol; flat ones stay, with what they earned.
        daily: By trade date.
        checkpoint: Journal number of the last fill applied.
        version: Events in the book's own stream.
    """

    account_id: AccountId
    positions: Mapping[Symbol, Position] = field(default_factory=dict)
    daily: Mapping[date, DailyPnl] = field(default_factory=dict)
    checkpoint: int = 0
    version: int = 0

    @classmethod
    def empty(cls, account_id: AccountId) -> "PositionBook":
        """Return the book of an account that has never traded."""
        return cls(account_id=account_id)

    def position(self, symbol: Symbol) -> Position:
        """Return the position in ``symbol``, a flat one when it was never traded."""
        return self.positions.get(symbol) or Position(symbol=symbol)


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionChanged:
    """A fill was applied. Holds results, so that replay needs no arithmetic of its own.

    Attributes:
        fill_seq: Journal number of the fill.
        last_qty: Negative when an execution was withdrawn.
        closed_qty: How much of ``last_qty`` closed the position that was there.
        realized_gross: Of this fill alone.
        qty: Shares held after it, signed.
        cost: Cost of what is open after it, signed.
        at: When we applied it.
    """

    fill_seq: int
    client_order_id: ClientOrderId
    exec_id: ExecId
    symbol: Symbol
    side: Side
    last_qty: Decimal
    last_px: Decimal
    closed_qty: Decimal
    realized_gross: Decimal
    commission: Decimal
    tax: Decimal
    qty: Decimal
    cost: Decimal
    trade_date: date
    at: datetime


def change_for(book: PositionBook, fill: RecordedFill, at: datetime) -> PositionChanged | None:
    """Return what the fill does to the book; None when it was applied before."""
    if fill.seq <= book.checkpoint:
        return None
    assert fill.last_qty, f"fill {fill.seq} has no quantity; an order books none like it"
    held = book.position(fill.symbol)
    with exact():
        closed_qty, realized_gross, cost = _effect(held, fill)
        return PositionChanged(
            fill_seq=fill.seq,
            client_order_id=fill.client_order_id,
            exec_id=fill.exec_id,
            symbol=fill.symbol,
            side=fill.side,
            last_qty=fill.last_qty,
            last_px=fill.last_px,
            closed_qty=closed_qty,
            realized_gross=realized_gross,
            commission=fill.commission,
            tax=fill.tax,
            qty=held.qty + fill.last_qty * fill.side.sign,
            cost=cost,
            trade_date=fill.trade_date,
            at=at,
        )


def evolve_book(book: PositionBook, event: PositionChanged) -> PositionBook:
    """Return the book after ``event``, which was journaled."""
    assert event.fill_seq > book.checkpoint, f"fill {event.fill_seq} would count twice"
    held = book.position(event.symbol)
    today = book.daily.get(event.trade_date) or DailyPnl(day=event.trade_date)
    with exact():
        position = replace(
            held,
            qty=event.qty,
            cost=event.cost,
            realized_gross=held.realized_gross + event.realized_gross,
            fees=held.fees + event.commission,
            taxes=held.taxes + event.tax,
        )
        day = replace(
            today,
            realized_gross=today.realized_gross + event.realized_gross,
            fees=today.fees + event.commission,
            taxes=today.taxes + event.tax,
        )
    return replace(
        book,
        positions={**book.positions, event.symbol: position},
        daily={**book.daily, event.trade_date: day},
        checkpoint=event.fill_seq,
        version=book.version + 1,
    )


def topics_of_change(before: Position, event: PositionChanged) -> tuple[str, ...]:
    """Return the names under which the change of that position is published.

    A flip closes and opens. Every fill touches its day's P&L, if only by its fees.
    """
    if not before.qty:
        return ("position.opened", "pnl.daily")
    if not event.qty:
        return ("position.closed", "pnl.daily")
    if (before.qty > 0) != (event.qty > 0):
        return ("position.closed", "position.opened", "pnl.daily")
    return ("position.changed", "pnl.daily")


def _effect(held: Position, fill: RecordedFill) -> tuple[Decimal, Decimal, Decimal]:
    """Return what is closed, what that realizes, and the cost of what is open afterwards.

    A withdrawn execution is taken out of the cost at its own price while the shares are still
    held. What was closed meanwhile keeps its result; then, and when the execution had closed a
    position, withdrawing it is the opposite trade at its price. Cash, quantity and the sum of
    realized and unrealized are exact in any case.
    """
    sign = fill.side.sign
    if fill.last_qty < 0 and held.qty * sign >= -fill.last_qty:
        cost = held.cost + fill.last_px * fill.last_qty * sign
        is_flat = held.qty * sign == -fill.last_qty
        return (ZERO, -cost, ZERO) if is_flat else (ZERO, ZERO, cost)
    signed = fill.last_qty * sign
    closed_qty = min(abs(held.qty), abs(signed)) if held.qty * signed < 0 else ZERO
    direction = 1 if signed > 0 else -1
    released = _released_cost(held, closed_qty)
    # Closing takes the sign of what is closed, opening that of the fill.
    closing_amount = fill.last_px * closed_qty * -direction
    opening_amount = fill.last_px * (abs(signed) - closed_qty) * direction
    return closed_qty, closing_amount - released, held.cost - released + opening_amount


def _released_cost(held: Position, closed_qty: Decimal) -> Decimal:
    """The part of the cost that leaves with ``closed_qty``, signed like the cost.

    Rounded to 1e-8, so that sums stay exact for ever; the last share takes all that is left.
    """
    if not closed_qty:
        return ZERO
    if closed_qty == abs(held.qty):
        return held.cost
    return trim(round_half_even(held.cost * closed_qty / abs(held.qty), _COST_STEP))
