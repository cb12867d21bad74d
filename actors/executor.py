"""The front desk: takes signals and cancels, writes orders down, and finds the right actor.

A signal is acknowledged when its order is durable, and told twice it is the same order. Everything
that comes from outside about an order goes through here, also when its actor has left.
"""

from functools import partial
from typing import Any, assert_never

from actors.claims import AskClaim, ClaimLost, Decided, ReleaseClaim
from actors.creation import OrderCreator
from actors.looks import is_adopted
from actors.machine import ask_journal
from actors.messages import (
    Answer,
    CancelOrder,
    FillSeen,
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
)
from actors.runtime import Ref
from actors.taken import Taken
from actors.tools import OrderTools
from domain.errors import (
    BusyError,
    InvalidInputError,
)
from domain.ids import client_order_id
from domain.journal import (
    AppendFailed,
    Committed,
    Loaded,
    LoadOpenOrders,
)
from domain.order import Order
from domain.signal import Cancel, Resolve, Signal
from domain.terms import ClientOrderId

_Wish = tuple[Reply | None, CancelOrder | ResolveOrder]
_NO_ORDER = "no order was made from this signal; check the id and the account"


class OrderExecutor(OrderCreator):
    """Turns each signal into one order."""

    def __init__(self, tools: OrderTools, taken: Taken) -> None:
        super().__init__(tools, taken)
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
                self.on_appended(message)
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

    def _on_told(self, wish: Signal | Cancel | Resolve | Unread, reply: Reply | None) -> None:
        if reply is not None:
            self._taken.add(reply)
        try:
            match wish:
                case Signal():
                    self.on_signal(wish, reply)
                case Cancel():
                    self._on_cancel(wish, reply)
                case Resolve():
                    self._on_resolve(wish, reply)
                case Unread():
                    self.refuse(wish, wish.error, reply)
                case _:
                    assert_never(wish)
        except (InvalidInputError, BusyError) as error:
            self.refuse(wish, error, reply)

    def _on_cancel(self, cancel: Cancel, reply: Reply | None) -> None:
        known = client_order_id(cancel.account_id, cancel.signal_id)
        receipt = Receipt(cancel.signal_id, known, is_duplicate=False)
        wish = CancelOrder(
            cancel.reason or "cancel asked for",
            cancel.requested_by,
            lambda: self.ref.tell(Answer(reply, receipt)),
            partial(self._taken.give, reply),
        )
        if (order := self.ref_of(known)) is not None:
            self._wishes.setdefault(known, []).append((reply, wish))
            order.tell(wish)
        else:
            self.load_order(known, lambda order: self._cancel_old(order, cancel, wish, reply))

    def on_revived(self, known: ClientOrderId, order: Ref) -> None:
        """Tell an order that starts anew what it was asked and did not answer."""
        for _, wish in self._wishes.get(known, ()):
            order.tell(wish)

    def on_not_written(self, known: ClientOrderId) -> None:
        """Bring what was asked of the order to the one that was written down before."""
        for _, wish in self._wishes.pop(known, ()):
            if isinstance(wish, CancelOrder):
                self.load_order(known, partial(self._cancel_loaded, wish))
            else:
                self.load_order(known, partial(self._resolve_loaded, wish))

    def _on_resolve(self, resolve: Resolve, reply: Reply | None) -> None:
        known = client_order_id(resolve.account_id, resolve.signal_id)
        told = Told(resolve, reply)
        wish = ResolveOrder(resolve, lambda error: self.ref.tell(Decided(told, error)))
        if (order := self.ref_of(known)) is not None:
            self._wishes.setdefault(known, []).append((reply, wish))
            order.tell(wish)
        else:
            self.load_order(known, partial(self._resolve_loaded, wish))

    def _resolve_loaded(self, wish: ResolveOrder, order: Order | None) -> None:
        """Say why there is nothing to resolve: what is in doubt has an actor."""
        problem = _NO_ORDER
        if order is not None and not order.is_closed:
            self.tell_order(order, wish)
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
            self.refuse(told.wish, error, told.reply)

    def _forget_wish(self, known: ClientOrderId, reply: Reply | None) -> None:
        left = [wish for wish in self._wishes.pop(known, []) if wish[0] is not reply]
        if left:
            self._wishes[known] = left

    def _cancel_old(
        self, order: Order | None, cancel: Cancel, wish: CancelOrder, reply: Reply | None
    ) -> None:
        if order is None:
            self.refuse(cancel, InvalidInputError("signal_id", _NO_ORDER), reply)
            return
        self._cancel_loaded(wish, order)

    def _cancel_loaded(self, wish: CancelOrder, order: Order | None) -> None:
        if order is not None and not order.is_closed:
            self.tell_order(order, wish)
        elif wish.done is not None:
            wish.done()
