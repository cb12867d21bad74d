"""What must never be, checked as it happens; and what must hold when the day is over.

The broker's book and the durable record are the only witnesses: what the engine believes in
memory counts for nothing. ``ViolationError`` is no ``Exception``, so that no actor survives it.
"""

from collections import Counter, deque
from decimal import Decimal
from typing import Any

from domain.broker import ClientIdSupport
from domain.events import (
    CancelEnded,
    Cancelled,
    Expired,
    Failed,
    Filled,
    Proof,
    Rejected,
    SubmitFailed,
    SubmitStarted,
)
from domain.executions import recorded_fill
from domain.journal import Append
from domain.lifecycle import LEGAL_CHANGES
from domain.money import exact
from domain.order import Order, evolve
from domain.position import PositionBook, PositionChanged, RecordedFill, change_for, evolve_book
from domain.settings import AbsentPolicy
from domain.signal import Signal
from domain.terms import ZERO, OrderStatus
from infra.store.chain import GENESIS, row_hash
from infra.store.codec import CODEC
from tests.fakes import MemoryStore
from tests.simulation.book import OPENING_CASH, Booked
from tests.simulation.compare import ENDS, is_in, says
from tests.simulation.exchange import Exchange

ORDER = "order/"
# What a person is asked where orders are told from look alone.
QUESTIONS = ("NOT_FOUND", "SEVERAL_MATCH", "UNANSWERED")


class ViolationError(BaseException):
    """An invariant was broken.

    Attributes:
        invariant: Which one, as DESIGN names it.
        order: The client order id concerned; empty when it is about no single order.
    """

    def __init__(self, invariant: str, text: str, order: str = "") -> None:
        super().__init__(f"{invariant}: {text}")
        self.invariant = invariant
        self.order = order


class Oracle:
    """Holds the engine's record and its requests against the broker's book.

    Args:
        store: The durable record.
        exchange: The broker's book.
        requests: The limit of requests in one second.
        is_hashed: Keep ``chain``, the hash of the journal; it takes time.

    Attributes:
        signals: What the runner told, by client order id: only these may become orders.
        chain: The hash of the journal so far.
        unhashed: A name that differs from run to run; left out of the hash.
        undecided: Orders that a person was asked about, and nobody decides.
        most_sent: The most requests that left within one second.
    """

    def __init__(
        self, store: MemoryStore, exchange: Exchange, requests: int, is_hashed: bool
    ) -> None:
        self.signals: dict[str, Signal] = {}
        self.chain = GENESIS
        self.unhashed = ""
        self.undecided: set[str] = set()
        self.most_sent = 0
        self.orders: dict[str, Order] = {}
        self.versions: Counter[str] = Counter()
        self.book = PositionBook.empty(store.account_id)
        self.flying: Counter[str] = Counter()
        self._store = store
        self._exchange = exchange
        self._requests = requests
        self._is_hashed = is_hashed
        habits = exchange.habits
        self._has_totals = not habits.has_exec_ids
        is_nameless = habits.client_ids is ClientIdSupport.NONE
        default = AbsentPolicy.STRICT if is_nameless else AbsentPolicy.AUTOMATIC
        policy = exchange.settings.absent_policy or default
        self._is_strict = policy is AbsentPolicy.STRICT
        is_asked = is_nameless or self._is_strict
        self._expected = ("OVER_FILL", "BUSTED", *(QUESTIONS if is_asked else ()))
        self._started: Counter[str] = Counter()
        self._placed: Counter[str] = Counter()
        self._unapplied: deque[RecordedFill] = deque()
        self._booked: set[tuple[Any, ...]] = set()
        self._seq = 0
        store.heard = self.heard
        exchange.accepted = self.accepted

    # What is checked as it happens.

    def accepted(self, booked: Booked) -> None:
        """Look at an order that the broker has just taken."""
        known = booked.request.client_order_id
        if booked.is_ours and len(self._exchange.called(known)) > 1:
            raise ViolationError("I1", f"the broker has two orders of {known}", known)

    def leaves(self, request: Any, *, is_fenced: bool) -> None:
        """Look at an order that is about to leave."""
        known = request.client_order_id
        self._placed[known] += 1
        if is_fenced:
            raise ViolationError("I11", "a fenced engine sends an order", known)
        if self._started[known] < self._placed[known]:
            raise ViolationError("I8", "it leaves before that is written down", known)
        order = self.orders[known]
        if order.placement is None and order.broker_order_id is None:
            raise ViolationError("I8", f"it leaves after it was given up: {order.reason}", known)
        if self._exchange.called(known):
            raise ViolationError("I1", "it is sent again though the broker has it", known)
        if self.flying[known]:
            raise ViolationError("I1", "it is sent again while it is on its way", known)
        signal = self.signals.get(known)
        if signal is None or not says(request, signal):
            raise ViolationError("I9", "what leaves is not what was signalled", known)

    def sent(self, times: deque[float], now_s: float) -> None:
        """Look at the pace: ``times`` holds the requests of the last second."""
        while times and times[0] <= now_s - 1.0:
            times.popleft()
        times.append(now_s)
        self.most_sent = max(self.most_sent, len(times))
        if len(times) > self._requests:
            raise ViolationError("I13", f"{len(times)} requests within one second")

    def heard(self, append: Append, first_seq: int) -> None:
        """Look at what has just become durable."""
        if first_seq != self._seq + 1:
            raise ViolationError("I7", f"event {first_seq} follows {self._seq}")
        if append.version not in (None, self.versions[append.stream]):
            raise ViolationError("I7", f"a gap in {append.stream}")
        for event in append.events:
            self._seq += 1
            self._link(append.stream, event)
            if append.stream.startswith(ORDER):
                self._order_event(append.stream.removeprefix(ORDER), event)
            elif isinstance(event, PositionChanged):
                self._position_event(event)
        self._check_state(append)

    def acknowledged(self, signal: Signal, known: str) -> None:
        """Look at a signal that was acknowledged."""
        order = self.orders.get(known)
        if order is None:
            raise ViolationError("I3", f"{signal.signal_id} is acknowledged and not durable", known)

    def _link(self, stream: str, event: Any) -> None:
        self.versions[stream] += 1
        if not self._is_hashed:
            return
        kind, data = CODEC.encode(event)
        at = self.versions[stream]
        if self.unhashed:
            data = data.replace(self.unhashed, "")
        self.chain = row_hash((self.chain, self._seq, stream, at, kind, "", data, ""))

    def _check_state(self, append: Append) -> None:
        if isinstance(append.state, Order):
            known = append.state.client_order_id
            if self.orders[known] != append.state:
                raise ViolationError("I7", "the state written is not what the events say", known)
        elif isinstance(append.state, PositionBook) and self.book != append.state:
            raise ViolationError("I7", "the book written is not what the events say")

    def _order_event(self, known: str, event: Any) -> None:
        before = self.orders.get(known)
        after = self.orders[known] = evolve(before, event)
        was, now = before.status if before else None, after.status
        is_legal = now is was or (now in LEGAL_CHANGES[was] if was else now is OrderStatus.PENDING)
        if not is_legal:
            raise ViolationError("status", f"{type(event).__name__} made {now} of {was}", known)
        match event:
            case SubmitStarted():
                self._started[known] += 1
                if before is not None and before.cancel is not None:
                    raise ViolationError("I9", "it is about to be sent after its cancel", known)
            case Filled():
                self._fill(after, event)
            case CancelEnded(reason=reason) if "Held back" in reason:
                raise ViolationError("halt", "a cancel was held back", known)
            case SubmitFailed() | Failed():
                self._given_up(known, event)
            case Cancelled() | Expired() | Rejected():
                self._ended(after, event)
            case _:
                pass

    def _fill(self, order: Order, fill: Filled) -> None:
        known = order.client_order_id
        booked = self._exchange.numbered(fill)
        if booked is None or not booked.is_ours or booked.request.client_order_id != known:
            raise ViolationError("I4", f"{fill.exec_id} is no execution of this order", known)
        is_true = self._is_total(order, fill, booked) if self._has_totals else is_in(fill, booked)
        if not is_true:
            raise ViolationError("I4", f"the broker has no such execution {fill.exec_id}", known)
        key = (fill.broker_order_id, fill.trade_date, fill.exec_id)
        if key in self._booked:
            raise ViolationError("I4", f"execution {fill.exec_id} is booked twice", known)
        self._booked.add(key)
        self._unapplied.append(recorded_fill(order, fill, self._seq))

    def _is_total(self, order: Order, fill: Filled, booked: Booked) -> bool:
        """A total goes to what the broker counts or has counted, quantity and amount."""
        if booked.withdrawn_qty:
            taken_off = -sum(each.last_qty for each in order.fills if each.last_qty < 0)
            most = max(row.cum_qty for row in booked.rows)
            return taken_off <= booked.withdrawn_qty and ZERO <= order.cum_qty <= most
        is_whole = order.cum_qty == booked.cum_qty
        return (
            fill.last_qty > 0
            and order.cum_qty <= booked.cum_qty
            and (not is_whole or order.cum_amount == booked.cum_amount)
        )

    def _given_up(self, known: str, event: SubmitFailed | Failed) -> None:
        if self._is_strict and isinstance(event, SubmitFailed) and event.proof is Proof.ABSENT:
            raise ViolationError("strict", "absence was not decided by a person", known)
        self._require_absent(known, type(event).__name__)

    def _require_absent(self, known: str, what: str) -> None:
        """A negative conclusion needs that the broker has none, and that none is on its way."""
        if self._exchange.called(known):
            raise ViolationError("I2", f"{what}, though the broker has it", known)
        if self.flying[known]:
            raise ViolationError("I2", f"{what}, though it is on its way", known)

    def _ended(self, order: Order, event: Any) -> None:
        known, what = order.client_order_id, type(event).__name__
        if order.broker_order_id is None:
            self._require_absent(known, what)
            return
        booked = self._exchange.called(known)
        if any(each.is_open for each in booked):
            raise ViolationError("I2", f"{what}, though it works at the broker", known)

    def _position_event(self, event: PositionChanged) -> None:
        fill = self._unapplied.popleft() if self._unapplied else None
        if fill is None or change_for(self.book, fill, event.at) != event:
            raise ViolationError("I5", f"the position does not follow from fill {event.fill_seq}")
        self.book = evolve_book(self.book, event)

    # What must hold at the end.

    def unresolved(self) -> list[str]:
        """Return what is not yet as it must be at the end."""
        open_ = [
            f"{order.signal.signal_id} is {order.status}"
            for order in self.orders.values()
            if not order.is_closed and not self._waits(order)
        ]
        for booked in self._exchange.orders:
            order = self.orders.get(booked.request.client_order_id) if booked.is_ours else None
            if order is not None and order.cum_qty != booked.cum_qty:
                text = f"{booked.cum_qty} filled at the broker, {order.cum_qty} here"
                open_.append(f"of {order.signal.signal_id} are {text}")
            elif order is not None and not self._has_totals and not order.fills and booked.fills:
                # Withdrawn to nothing before anybody asked: what it cost is still to be booked.
                open_.append(f"of {order.signal.signal_id} no execution is here")
        if self._unapplied:
            open_.append(f"{len(self._unapplied)} fills not in the positions")
        return open_

    def check_end(self) -> None:
        """Compare the record with the broker's book, and the record with itself."""
        for booked in self._exchange.orders:
            if booked.is_ours:
                self._check_order(booked)
        for order in self.orders.values():
            self._check_known(order)
        self._check_positions()
        self._check_cash()

    def _check_order(self, booked: Booked) -> None:
        known = booked.request.client_order_id
        order = self.orders.get(known)
        if order is None:
            raise ViolationError("I2", "the broker has an order that is not written down", known)
        bound = order.broker_order_id, order.trade_date
        if bound != (booked.number, booked.trade_date):
            raise ViolationError("I2", f"it is bound to {bound}, not to {booked.number}", known)
        if order.cum_qty != booked.cum_qty:
            text = f"{order.cum_qty} filled here, {booked.cum_qty} at the broker"
            raise ViolationError("I4", text, known)
        if ENDS[booked.state] is not order.status:
            raise ViolationError("I2", f"{order.status} here, {booked.state} there", known)

    def _check_known(self, order: Order) -> None:
        known = order.client_order_id
        if order.broker_order_id is not None and not self._exchange.called(known):
            raise ViolationError("I2", "it is bound to an order the broker does not have", known)
        if not order.is_closed and not self._waits(order):
            raise ViolationError("I3", f"it is stuck in {order.status}", known)
        if order.status is not OrderStatus.FILLED and not order.reason and order.is_closed:
            raise ViolationError("I3", f"{order.status} without a reason", known)
        strange = [flag for flag in order.flags if not flag.startswith(self._expected)]
        if strange:
            raise ViolationError("flag", strange[0], known)

    def _waits(self, order: Order) -> bool:
        """Return whether it waits for a person who does not come: asked, and there is none."""
        known = order.client_order_id
        is_asked = any(flag.startswith("NOT_FOUND") for flag in order.flags)
        is_there = self._exchange.called(known) or self.flying[known]
        return known in self.undecided and is_asked and not is_there

    def _check_positions(self) -> None:
        ours = {symbol: held.qty for symbol, held in self.book.positions.items() if held.qty}
        theirs: dict[Any, Decimal] = {}
        for symbol, held in self._exchange.account.holdings.items():
            qty = held.qty - self._exchange.foreign_qty.get(symbol, ZERO)
            if qty:
                theirs[symbol] = qty
        if ours != theirs:
            raise ViolationError("I5", f"{ours} here, {theirs} at the broker")
        if self._store.book is not None and self._store.book != self.book:
            raise ViolationError("I5", "the book at hand is not the fold of its events")

    def _check_cash(self) -> None:
        with exact():
            cash = OPENING_CASH
            for fill in self._store.fills:
                amount = fill.side.sign * fill.last_qty * fill.last_px
                cash -= amount + (ZERO if self._has_totals else fill.commission + fill.tax)
        if cash != self._exchange.account.cash:
            text = f"{cash} by our fills, {self._exchange.account.cash} at the broker"
            raise ViolationError("I6", text)
