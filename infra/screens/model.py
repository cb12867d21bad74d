"""What the blotter shows, folded from journal records: no clock, no thread, no terminal."""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from domain.errors import InvalidInputError
from domain.events import ORDER_EVENTS, CancelRequested, Filled, OrderCreated, SubmitDoubted
from domain.instrument import Instruments
from domain.journal import Record
from domain.money import exact
from domain.order import evolve
from domain.position import PositionBook, PositionChanged, evolve_book
from domain.settings import Settings
from domain.terms import ZERO, ClientOrderId, OrderStatus, Side, Symbol
from infra.plain import clean
from infra.screens.words import (
    Seen,
    next_words,
    order_words,
    other_words,
    terms,
)

TAPE_LENGTH = 200
_ORDER_STREAM = "order/"

Marks = Callable[[Symbol], Decimal | None]
"""Returns the last price of a symbol, or None when nobody knows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """One line of the order table. ``note`` says why it is there, or what it waits for."""

    created_at: datetime
    symbol: Symbol
    name: str
    side: Side
    terms: str
    order_qty: Decimal
    cum_qty: Decimal
    avg_px: Decimal | None
    status: OrderStatus
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionRow:
    """One line of the position table.

    Attributes:
        realized_net: After all fees and taxes so far.
        unrealized: What is open, at the last price; None when that is unknown or it is flat.
    """

    symbol: Symbol
    name: str
    qty: Decimal
    avg_px: Decimal | None
    last_px: Decimal | None
    realized_net: Decimal
    unrealized: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeLine:
    """One event in words.

    Attributes:
        side: Of the order it is about; None when it is about a position or the engine.
        symbol: None when it is about the engine.
        status: The order's after it; None when it is about no order.
    """

    at: datetime
    text: str
    side: Side | None = None
    symbol: Symbol | None = None
    name: str = ""
    status: OrderStatus | None = None


class BlotterModel:
    """Orders, positions and the tape of one account, as of the records applied so far."""

    def __init__(self, settings: Settings) -> None:
        self._instruments: Instruments = settings.instruments
        self._attempts = len(settings.retry_waits_s) + 1
        self._orders: dict[ClientOrderId, Seen] = {}
        self._open: dict[ClientOrderId, None] = {}
        self._statuses: Counter[OrderStatus] = Counter()
        self._tape: deque[TapeLine] = deque(maxlen=TAPE_LENGTH)
        self._unapplied = 0
        self.book = PositionBook.empty(settings.account_id)

    def apply(self, record: Record) -> TapeLine | None:
        """Take the next record in; return its line for the tape, if it says anything."""
        event = record.event
        if isinstance(event, ORDER_EVENTS):
            line = self._apply_to_order(record)
        else:
            if isinstance(event, PositionChanged):
                self._apply_to_book(event)
            symbol = event.symbol if isinstance(event, PositionChanged) else None
            line = self._line(record, other_words(event), symbol)
        if not line.text:
            return None
        self._tape.append(line)
        return line

    def rows(self, limit: int) -> tuple[OrderRow, ...]:
        """Return at most ``limit`` orders, newest first; open ones before any that has ended."""
        if limit <= 0:
            return ()
        chosen = set(list(self._open)[-limit:])
        newest = reversed(self._orders)
        while len(chosen) < limit and (key := next(newest, None)) is not None:
            chosen.add(key)
        shown = [key for key in reversed(self._orders) if key in chosen]
        return tuple(self._row(self._orders[key]) for key in shown)

    def positions(self, marks: Marks) -> tuple[PositionRow, ...]:
        """Return what is held and what was closed, by symbol, at the last prices."""
        return tuple(
            self._position_row(symbol, marks(symbol)) for symbol in sorted(self.book.positions)
        )

    def tape(self, limit: int) -> tuple[TapeLine, ...]:
        """Return the latest lines, oldest first."""
        return tuple(self._tape)[-limit:] if limit > 0 else ()

    def counts(self) -> Mapping[OrderStatus, int]:
        """Return how many orders are in each status that any is in."""
        return {status: self._statuses[status] for status in OrderStatus if self._statuses[status]}

    def seen(self, client_order_id: ClientOrderId) -> Seen | None:
        """Return one order, or None."""
        return self._orders.get(client_order_id)

    def day_net(self, day: date) -> Decimal:
        """Return what that trade date realized, after its fees and taxes."""
        daily = self.book.daily.get(day)
        return daily.net if daily is not None else ZERO

    @property
    def is_quiet(self) -> bool:
        """True when no order is open and every fill is in the position book."""
        return not self._open and self._unapplied == 0

    def _apply_to_order(self, record: Record) -> TapeLine:
        key = ClientOrderId(record.stream.removeprefix(_ORDER_STREAM))
        event = record.event
        before = self._orders.get(key)
        if before is None and not isinstance(event, OrderCreated):
            # It began before the first record that was told.
            return self._line(record, "", None)
        order = evolve(before.order if before is not None else None, event)
        if before is None:
            seen = Seen(order=order, last=event)
        else:
            self._statuses[before.order.status] -= 1
            seen = replace(before, order=order, last=event)
        if isinstance(event, CancelRequested):
            seen = replace(seen, cancel_reason=event.reason)
        elif isinstance(event, SubmitDoubted):
            seen = replace(seen, was_in_doubt=True)
        elif isinstance(event, Filled):
            self._unapplied += 1
        self._orders[key] = seen
        self._statuses[order.status] += 1
        if order.is_closed:
            self._open.pop(key, None)
        else:
            self._open[key] = None
        text = order_words(event, seen, self._attempts)
        line = self._line(record, text, order.symbol)
        return replace(line, side=order.signal.side, status=order.status)

    def _apply_to_book(self, event: PositionChanged) -> None:
        self.book = evolve_book(self.book, event)
        self._unapplied -= 1
        seen = self._orders.get(event.client_order_id)
        if seen is not None and event.closed_qty:
            with exact():
                self._orders[event.client_order_id] = replace(
                    seen,
                    closed_qty=seen.closed_qty + event.closed_qty,
                    realized_gross=seen.realized_gross + event.realized_gross,
                )

    def _line(self, record: Record, text: str, symbol: Symbol | None) -> TapeLine:
        name = self._name(symbol) if symbol is not None else ""
        return TapeLine(at=record.recorded_at, text=clean(text), symbol=symbol, name=name)

    def _row(self, seen: Seen) -> OrderRow:
        order = seen.order
        return OrderRow(
            created_at=order.created_at,
            symbol=order.symbol,
            name=self._name(order.symbol),
            side=order.signal.side,
            terms=terms(order),
            order_qty=order.order_qty,
            cum_qty=order.cum_qty,
            avg_px=order.avg_px,
            status=order.status,
            note=clean(next_words(seen, self._attempts)),
        )

    def _position_row(self, symbol: Symbol, last_px: Decimal | None) -> PositionRow:
        held = self.book.position(symbol)
        unrealized = None
        if last_px is not None and held.qty:
            with exact():
                unrealized = last_px * held.qty - held.cost
        return PositionRow(
            symbol=symbol,
            name=self._name(symbol),
            qty=held.qty,
            avg_px=held.avg_px,
            last_px=last_px,
            realized_net=held.realized_net,
            unrealized=unrealized,
        )

    def _name(self, symbol: Symbol) -> str:
        try:
            return self._instruments.get(symbol).name
        except InvalidInputError:
            return ""
