"""One order: the facts of its life. Its status is derived from them and never stored.

``evolve`` is the whole of it: what we knew and what happened give what we know now. What may
happen, and what follows from it, stands in ``domain.lifecycle``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any, assert_never

from domain.events import (
    Accepted,
    CancelEnded,
    Cancelled,
    CancelOutcome,
    CancelRequested,
    CancelStarted,
    Expired,
    Failed,
    Filled,
    Flagged,
    LookedUp,
    OrderCreated,
    OrderEvent,
    Overdue,
    Rejected,
    Resolved,
    Restated,
    StandingChanged,
    SubmitDoubted,
    SubmitFailed,
    SubmitStarted,
)
from domain.order_parts import Closure, PendingCancel, Placement, Terms
from domain.signal import Signal
from domain.terms import (
    ZERO,
    BrokerOrderId,
    ClientOrderId,
    ExecId,
    OrderStatus,
    Standing,
    Symbol,
)

FillKey = tuple[BrokerOrderId, date, ExecId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What we know about one order.

    Attributes:
        attempts: Placements that used an attempt, the one under way included.
        retry_at: Earliest time of the next attempt; None when nothing holds it back.
        cum_qty: Shares filled (FIX 14): the sum of ``fills``, withdrawn ones taken off.
        cum_amount: Sum of price times quantity over ``fills``.
        fills: Every execution booked or withdrawn, in the order of booking.
        cancel_requests: Cancel requests that ever left; their numbers never repeat.
        flags: Broker news that should not have been possible, each kept once.
        closure: What ended it; a later fill may withdraw that.
        terms: As the venue restated them; None while they are the signal's.
    """

    client_order_id: ClientOrderId
    signal: Signal
    digest: str
    deadline: datetime
    created_at: datetime
    attempts: int = 0
    retry_at: datetime | None = None
    retry_wait_s: float = 0.0
    placement: Placement | None = None
    submitted_at: datetime | None = None
    broker_order_id: BrokerOrderId | None = None
    trade_date: date | None = None
    cum_qty: Decimal = ZERO
    cum_amount: Decimal = ZERO
    commission: Decimal = ZERO
    tax: Decimal = ZERO
    fills: tuple[Filled, ...] = ()
    filled_at: datetime | None = None
    closure: Closure | None = None
    cancel: PendingCancel | None = None
    cancel_requests: int = 0
    last_reason: str = ""
    is_overdue: bool = False
    flags: tuple[str, ...] = ()
    terms: Terms | None = None
    standing: Standing = Standing.WORKING
    version: int = 0

    @property
    def status(self) -> OrderStatus:
        """Return where the order is; fills outrank what closed it, and that outranks the rest."""
        if self.cum_qty >= self.order_qty:
            return OrderStatus.FILLED
        if self.closure is not None:
            return self.closure.status
        if self.cum_qty:
            return OrderStatus.PARTIAL
        if self.placement is not None and self.placement.doubt is not None:
            return OrderStatus.IN_DOUBT
        if self.placement is not None or self.broker_order_id is not None:
            return OrderStatus.SUBMITTED
        return OrderStatus.PENDING

    @property
    def symbol(self) -> Symbol:
        """The instrument traded."""
        return self.signal.symbol

    @property
    def order_qty(self) -> Decimal:
        """Shares ordered (FIX 38), as the venue has restated them."""
        return self.signal.order_qty if self.terms is None else self.terms.order_qty

    @property
    def limit_px(self) -> Decimal | None:
        """Limit (FIX 44), as the venue has restated it; None for a market order."""
        return self.signal.limit_px if self.terms is None else self.terms.limit_px

    @property
    def leaves_qty(self) -> Decimal:
        """Shares still open (FIX 151); zero once the order has ended."""
        return ZERO if self.status.is_terminal else self.order_qty - self.cum_qty

    @property
    def avg_px(self) -> Decimal | None:
        """Average fill price (FIX 6); None before the first fill."""
        return self.cum_amount / self.cum_qty if self.cum_qty else None

    @property
    def claim(self) -> str | None:
        """What this order has in doubt and no other may; None when it claims nothing."""
        return None if self.placement is None else self.placement.claim

    @property
    def busts(self) -> int:
        """How often an execution was withdrawn."""
        return sum(fill.last_qty < 0 for fill in self.fills)

    @property
    def is_closed(self) -> bool:
        """True when nothing is left to do, as far as we know."""
        return self.status.is_terminal

    @property
    def reason(self) -> str:
        """Why the order is where it is, in words; empty when all went well."""
        return self.closure.reason if self.closure is not None else self.last_reason

    def has_fill(self, key: FillKey) -> bool:
        """Return whether that execution was booked already."""
        return any(fill_key(fill) == key for fill in self.fills)


def fill_key(fill: Filled) -> FillKey:
    """Return what makes a fill unique within an account; an exec id alone repeats."""
    return (fill.broker_order_id, fill.trade_date, fill.exec_id)


def flag_text(event: Flagged) -> str:
    """Return a flag as the order keeps it: what, and the detail."""
    return f"{event.anomaly}: {event.detail}"


def evolve(order: Order | None, event: OrderEvent) -> Order:
    """Return the order after ``event``, which was journaled; the first one creates it."""
    if order is None:
        assert isinstance(event, OrderCreated), f"an order begins with {type(event).__name__}"
        return Order(
            client_order_id=event.client_order_id,
            signal=event.signal,
            digest=event.digest,
            deadline=event.deadline,
            created_at=event.at,
            version=1,
        )
    return _apply(order, event)


_ENDS: Mapping[type, OrderStatus] = {
    Cancelled: OrderStatus.CANCELLED,
    Expired: OrderStatus.EXPIRED,
    Rejected: OrderStatus.REJECTED,
    Failed: OrderStatus.FAILED,
}


def _apply(order: Order, event: OrderEvent) -> Order:
    assert not isinstance(event, OrderCreated), f"{order.client_order_id} was created twice"
    match event:
        case SubmitStarted() | SubmitFailed() | SubmitDoubted() | LookedUp():
            return _apply_submit(order, event)
        case Accepted():
            return _after(order, **_bound(order, event.broker_order_id, event.trade_date))
        case Filled():
            return _apply_fill(order, event)
        case CancelRequested() | CancelStarted() | CancelEnded():
            return _apply_cancel(order, event)
        case Cancelled() | Expired() | Rejected() | Failed():
            return _close(order, event)
        case Overdue() | Flagged() | Resolved() | Restated() | StandingChanged():
            return _apply_note(order, event)
        case _:
            assert_never(event)


def _apply_note(
    order: Order, event: Overdue | Flagged | Resolved | Restated | StandingChanged
) -> Order:
    match event:
        case Overdue():
            return _after(order, is_overdue=True)
        case Flagged():
            return _after(order, flags=(*order.flags, flag_text(event)))
        case Restated(order_qty=qty, limit_px=px):
            return _after(order, terms=Terms(order_qty=qty, limit_px=px))
        case StandingChanged(standing=standing):
            return _after(order, standing=standing)
        case Resolved():
            return _after(order)
        case _:
            assert_never(event)


def _apply_submit(
    order: Order, event: SubmitStarted | SubmitFailed | SubmitDoubted | LookedUp
) -> Order:
    match event:
        case SubmitStarted():
            placement = Placement(
                attempt=event.attempt, since=event.since, send_by=event.send_by, claim=event.claim
            )
            first = order.submitted_at or event.since
            return _after(
                order,
                placement=placement,
                attempts=event.attempt,
                retry_at=None,
                submitted_at=first,
                last_reason="",
            )
        case SubmitFailed():
            wait_s = event.retry_in_s
            return _after(
                order,
                placement=None,
                attempts=event.attempt if event.is_counted else event.attempt - 1,
                retry_at=None if wait_s is None else event.at + timedelta(seconds=wait_s),
                retry_wait_s=wait_s or 0.0,
                last_reason=event.reason,
            )
        case SubmitDoubted():
            assert order.placement is not None, "decide() lets only a placement be doubted"
            is_known = order.placement.is_known_there or event.is_known_there
            doubted = replace(order.placement, doubt=event.reason, is_known_there=is_known)
            return _after(order, placement=doubted, last_reason=event.reason)
        case LookedUp():
            return _after(order, last_reason=event.reason)
        case _:
            assert_never(event)


def _apply_cancel(order: Order, event: CancelRequested | CancelStarted | CancelEnded) -> Order:
    if isinstance(event, CancelRequested):
        return _after(order, cancel=PendingCancel(reason=event.reason, at=event.at))
    assert order.cancel is not None, "decide() lets no cancel request leave without a wish"
    if isinstance(event, CancelStarted):
        asking = replace(
            order.cancel,
            requests=order.cancel.requests + 1,
            is_asking=True,
            is_acknowledged=False,
        )
        return _after(order, cancel=asking, cancel_requests=event.number)
    if event.outcome is CancelOutcome.REFUSED:
        return _after(order, cancel=None, last_reason=event.reason)
    ended = replace(
        order.cancel,
        is_asking=False,
        is_acknowledged=event.outcome is CancelOutcome.ACKNOWLEDGED,
    )
    return _after(order, cancel=ended)


def _apply_fill(order: Order, fill: Filled) -> Order:
    binding: dict[str, Any] = {}
    if order.broker_order_id is None or _is_withdrawn_by_fill(order):
        number = order.broker_order_id or fill.broker_order_id
        binding = _bound(order, number, fill.trade_date)
    return _after(
        order,
        cum_qty=order.cum_qty + fill.last_qty,
        cum_amount=order.cum_amount + fill.last_qty * fill.last_px,
        commission=order.commission + fill.commission,
        tax=order.tax + fill.tax,
        fills=(*order.fills, fill),
        filled_at=fill.transact_time if fill.last_qty > 0 else order.filled_at,
        **binding,
    )


def _is_withdrawn_by_fill(order: Order) -> bool:
    """A fill shows that "rejected" and "failed" were wrong; a cancel or expiry may be crossed."""
    ended = order.closure
    return ended is not None and ended.status in (OrderStatus.REJECTED, OrderStatus.FAILED)


def _bound(order: Order, broker_order_id: BrokerOrderId, trade_date: date) -> dict[str, Any]:
    """The broker has it: no attempt is in doubt and no conclusion to the contrary stands."""
    return {
        "broker_order_id": broker_order_id,
        "trade_date": order.trade_date or trade_date,
        "placement": None,
        "retry_at": None,
        "closure": None,
        "last_reason": "",
    }


def _close(order: Order, event: Cancelled | Expired | Rejected | Failed) -> Order:
    closure = Closure(status=_ENDS[type(event)], reason=event.reason, at=event.at)
    # A fill may show that it was not rejected: then it is still to be cancelled.
    cancel = order.cancel if isinstance(event, Rejected) else None
    return _after(order, closure=closure, placement=None, retry_at=None, cancel=cancel)


def _after(order: Order, **changes: Any) -> Order:
    """Return the order with one more event behind it.

    Every event comes through here, and ``dataclasses.replace`` would take three times as long.
    """
    after = object.__new__(Order)
    for write, value in zip(_WRITE, _READ(order), strict=True):
        write(after, value)
    for name, value in changes.items():
        object.__setattr__(after, name, value)
    object.__setattr__(after, "version", order.version + 1)
    return after


_READ = attrgetter(*Order.__slots__)
_WRITE = tuple(vars(Order)[name].__set__ for name in Order.__slots__)
