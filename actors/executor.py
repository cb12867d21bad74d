"""The front desk: takes signals and cancels, writes orders down, and finds the right actor.

A signal is acknowledged when its order is durable, and told twice it is the same order. Everything
that comes from outside about an order goes through here, also when its actor has left.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, assert_never

from actors.claims import AskClaim, ClaimLost, Decided, ReleaseClaim
from actors.desk import ORDER, OrderDesk
from actors.looks import is_adopted
from actors.machine import ask_journal
from actors.messages import (
    Answer,
    CancelOrder,
    FillSeen,
    Handoff,
    Left,
    OrderSeen,
    Receipt,
    Reconcile,
    Reply,
    ResolveOrder,
    Rested,
    Stays,
    Told,
    Unread,
    Want,
)
from actors.opening import Creating, opened
from actors.runtime import Ref
from actors.taken import Taken
from actors.tools import OrderTools
from domain.errors import (
    BusyError,
    ConflictError,
    InvalidInputError,
    SignalConflictError,
)
from domain.events import SignalRefused
from domain.ids import client_order_id
from domain.journal import (
    Append,
    AppendFailed,
    Committed,
    Loaded,
    LoadOpenOrders,
)
from domain.lifecycle import topics_of
from domain.order import Order
from domain.signal import Cancel, Resolve, Signal, admit, signal_digest
from domain.terms import ClientOrderId

_Wish = tuple[Reply | None, CancelOrder | ResolveOrder]
_NO_ORDER = "no order was made from this signal; check the id and the account"


class OrderExecutor(OrderDesk):
    """Turns each signal into one order."""

    def __init__(self, tools: OrderTools, taken: Taken) -> None:
        super().__init__(tools)
        self._taken = taken
        self._creating: dict[ClientOrderId, Creating] = {}
        # Cancels not answered yet: an actor that failed too often leaves its mailbox unread.
        self._wishes: dict[ClientOrderId, list[_Wish]] = {}

    def on_start(self) -> None:
        """Answer what an earlier life still owed, then recover."""
        if self._taken.begin_life():
            self._taken.fail_all("the order executor restarted; tell the signal again")
            # News that the earlier life had in hand is gone: the broker has to tell it again.
            self._tools.to.tracker(Reconcile())
        super().on_start()

    def on_receive(self, message: Any) -> None:
        """Handle one message."""
        match message:
            case Told(wish, reply):
                self._on_told(wish, reply)
            case Committed() | AppendFailed():
                self._on_appended(message)
            case Loaded():
                self.on_loaded(message)
            case OrderSeen() | FillSeen():
                self.on_seen(message)
            case Left() | Rested() | Stays() | Answer() | Decided():
                self._on_order(message)
            case AskClaim() | ReleaseClaim() | ClaimLost():
                self.on_claim(message)
            case "revive":
                ask_journal(self, self._tools.journal, LoadOpenOrders())
            case _:
                msg = f"the order executor cannot handle {type(message).__name__}"
                raise TypeError(msg)

    def _on_order(self, message: Left | Rested | Stays | Answer | Decided) -> None:
        match message:
            case Left(client_order_id=known):
                self._unsent.discard(known)
            case Rested():
                self.on_rested(message)
            case Stays():
                self.on_stays(message)
            case Answer(reply, receipt):
                self._forget_wish(receipt.client_order_id, reply)
                self._taken.give(reply, receipt)
            case Decided(told, error):
                self._on_decided(told, error)

    def _on_appended(self, message: Committed | AppendFailed) -> None:
        if message.append.life != self.life:
            return
        if isinstance(message, Committed):
            self._on_committed(message.append)
        else:
            self._on_append_failed(message.append, message.error)

    def _on_told(self, wish: Signal | Cancel | Resolve | Unread, reply: Reply | None) -> None:
        if reply is not None:
            self._taken.add(reply)
        try:
            match wish:
                case Signal():
                    self._on_signal(wish, reply)
                case Cancel():
                    self._on_cancel(wish, reply)
                case Resolve():
                    self._on_resolve(wish, reply)
                case Unread():
                    self._refuse(wish, wish.error, reply)
                case _:
                    assert_never(wish)
        except (InvalidInputError, BusyError) as error:
            self._refuse(wish, error, reply)

    def _on_signal(self, signal: Signal, reply: Reply | None) -> None:
        known = client_order_id(signal.account_id, signal.signal_id)
        digest = signal_digest(signal)
        if (creating := self._creating.get(known)) is not None:
            if creating.order.digest == digest:
                creating.replies.append(reply)
            else:
                creating.others.append((signal, reply))
        elif (live := self._live.get(known)) is not None:
            _require_same(live[1], digest)
            self._taken.give(reply, Receipt(signal.signal_id, known, is_duplicate=True))
        else:
            self._on_new(signal, known, digest, reply)

    def _on_new(
        self, signal: Signal, known: ClientOrderId, digest: str, reply: Reply | None
    ) -> None:
        settings, now = self._tools.settings, self.system.now()
        try:
            admit(
                signal,
                account_id=settings.account_id,
                instruments=settings.instruments,
                on=settings.session.trade_date(now),
                now=now,
            )
            self._require_room()
        except (InvalidInputError, BusyError) as error:
            # It may be an old signal told again: then it has its order, whatever holds today.
            refusal = error
            self.load_order(
                known, lambda order: self._on_old(order, signal, digest, reply, refusal)
            )
            return
        self._create(signal, known, digest, reply)

    def _require_room(self) -> None:
        limit = self._tools.settings.max_unsent
        if len(self._unsent) >= limit:
            msg = f"{limit} orders wait to be sent; tell this signal again later"
            raise BusyError(msg)

    def _create(
        self, signal: Signal, known: ClientOrderId, digest: str, reply: Reply | None
    ) -> None:
        events, order = opened(signal, known, digest, self._tools.settings, self.system.now())
        topics = tuple(topics_of(event, order) for event in events)
        self._creating[known] = Creating(order, [reply])
        self._unsent.add(known)
        self.append(f"{ORDER}{known}", 0, events, topics, order)

    def _on_committed(self, append: Append) -> None:
        known = ClientOrderId(append.stream.removeprefix(ORDER))
        creating = self._creating.pop(known, None)
        if creating is None:
            return
        order = creating.order
        if order.is_closed:
            self._unsent.discard(known)
            for cancel in creating.cancels:
                self._cancel_loaded(cancel, order)
        else:
            may_be_sent = self.has_claim(order)
            ref = self.spawn_order(order, handoff=Handoff(order, is_wanted=may_be_sent))
            if may_be_sent:
                self._tools.to.broker(Want(ref, order.created_at))
            for cancel in creating.cancels:
                ref.tell(cancel)
        for position, reply in enumerate(creating.replies):
            receipt = Receipt(order.signal.signal_id, known, is_duplicate=position > 0)
            self._taken.give(reply, receipt)
        for signal, reply in creating.others:
            self._on_told(signal, reply)

    def _on_append_failed(self, append: Append, error: Exception) -> None:
        known = ClientOrderId(append.stream.removeprefix(ORDER))
        creating = self._creating.pop(known, None)
        if creating is None or not isinstance(error, ConflictError):
            raise error
        # The signal was told long ago and its actor has left.
        self._unsent.discard(known)
        order = creating.order
        for reply in creating.replies:
            self.load_order(known, self._answer_old(order.signal, order.digest, reply))
        for cancel in creating.cancels:
            self.load_order(known, partial(self._cancel_loaded, cancel))
        for signal, reply in creating.others:
            self._on_told(signal, reply)

    def _answer_old(
        self, signal: Signal, digest: str, reply: Reply | None
    ) -> Callable[[Order | None], None]:
        missing = ConflictError(f"signal {signal.signal_id} has no order; tell it again")
        return lambda order: self._on_old(order, signal, digest, reply, missing)

    def _on_old(
        self,
        order: Order | None,
        signal: Signal,
        digest: str,
        reply: Reply | None,
        refusal: Exception,
    ) -> None:
        """Answer a signal whose order may have ended long ago."""
        if order is None:
            self._refuse(signal, refusal, reply)
            return
        try:
            _require_same(order.digest, digest)
        except SignalConflictError as error:
            self._refuse(signal, error, reply)
            return
        receipt = Receipt(signal.signal_id, order.client_order_id, is_duplicate=True)
        self._taken.give(reply, receipt)

    def _on_cancel(self, cancel: Cancel, reply: Reply | None) -> None:
        known = client_order_id(cancel.account_id, cancel.signal_id)
        receipt = Receipt(cancel.signal_id, known, is_duplicate=False)
        wish = CancelOrder(
            cancel.reason or "cancel asked for",
            cancel.requested_by,
            lambda: self.ref.tell(Answer(reply, receipt)),
            partial(self._taken.give, reply),
        )
        if (creating := self._creating.get(known)) is not None:
            creating.cancels.append(wish)
        elif (live := self._live.get(known)) is not None:
            self._wishes.setdefault(known, []).append((reply, wish))
            live[0].tell(wish)
        else:
            self.load_order(known, lambda order: self._cancel_old(order, cancel, wish, reply))

    def on_revived(self, known: ClientOrderId, order: Ref) -> None:
        """Tell an order that starts anew what it was asked and did not answer."""
        for _, wish in self._wishes.get(known, ()):
            order.tell(wish)

    def _on_resolve(self, resolve: Resolve, reply: Reply | None) -> None:
        known = client_order_id(resolve.account_id, resolve.signal_id)
        told = Told(resolve, reply)
        wish = ResolveOrder(resolve, lambda error: self.ref.tell(Decided(told, error)))
        if (live := self._live.get(known)) is not None:
            self._wishes.setdefault(known, []).append((reply, wish))
            live[0].tell(wish)
        else:
            self.load_order(known, partial(self._resolve_loaded, wish))

    def _resolve_loaded(self, wish: ResolveOrder, order: Order | None) -> None:
        """Say why there is nothing to resolve: what is in doubt has an actor."""
        problem = _NO_ORDER
        if order is not None and not order.is_closed:
            self.spawn_order(order).tell(wish)
            return
        if order is not None and is_adopted(order, wish.wish):
            wish.done(None)
            return
        if order is not None:
            problem = f"the order is {order.status}, not IN_DOUBT; there is nothing to resolve"
        wish.done(InvalidInputError("signal_id", problem))

    def _on_decided(self, told: Told, error: InvalidInputError | None) -> None:
        assert isinstance(told.wish, Resolve), "only a resolve is decided"
        known = client_order_id(told.wish.account_id, told.wish.signal_id)
        self._forget_wish(known, told.reply)
        if error is None:
            receipt = Receipt(told.wish.signal_id, known, is_duplicate=False)
            self._taken.give(told.reply, receipt)
        else:
            self._refuse(told.wish, error, told.reply)

    def _forget_wish(self, known: ClientOrderId, reply: Reply | None) -> None:
        left = [wish for wish in self._wishes.pop(known, []) if wish[0] is not reply]
        if left:
            self._wishes[known] = left

    def _cancel_old(
        self, order: Order | None, cancel: Cancel, wish: CancelOrder, reply: Reply | None
    ) -> None:
        if order is None:
            self._refuse(cancel, InvalidInputError("signal_id", _NO_ORDER), reply)
            return
        self._cancel_loaded(wish, order)

    def _cancel_loaded(self, wish: CancelOrder, order: Order | None) -> None:
        if order is not None and not order.is_closed:
            self.spawn_order(order).tell(wish)
        elif wish.done is not None:
            wish.done()

    def _refuse(
        self, wish: Signal | Cancel | Resolve | Unread, error: Exception, reply: Reply | None
    ) -> None:
        """Answer the caller; a bare tell has none, so its refusal is journaled."""
        if reply is not None:
            self._taken.give(reply, error)
            return
        refused = SignalRefused(
            signal_id=wish.signal_id,
            field=error.field if isinstance(error, InvalidInputError) else "",
            reason=str(error),
            at=self.system.now(),
        )
        self.append("signal", None, (refused,), (("signal.refused",),), None)


def _require_same(known: str, digest: str) -> None:
    if known != digest:
        problem = "this id was told before with other content; use a new id for a new order"
        raise SignalConflictError("signal_id", problem)
