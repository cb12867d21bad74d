"""From a signal to an order in the journal, once, and to the actor that takes it from there.

The order's actor begins while the order is being written down, so that both can go into one
commit. Nothing leaves it before its own append has been committed, which the journal refuses when
the order's creation was.
"""

from abc import abstractmethod
from collections.abc import Callable

from actors.claims import ReleaseClaim
from actors.desk import ORDER, OrderDesk
from actors.handoff import Handoff, NotWritten
from actors.messages import Receipt, Reply, Unread, Want
from actors.opening import Creating, opened
from actors.runtime import Ref
from actors.taken import Taken
from actors.tools import OrderTools
from domain.errors import BusyError, ConflictError, InvalidInputError, SignalConflictError
from domain.events import SignalRefused
from domain.ids import client_order_id
from domain.journal import Append, AppendFailed, Committed
from domain.lifecycle import topics_of
from domain.order import Order
from domain.signal import Cancel, Resolve, Signal, admit, signal_digest
from domain.terms import ClientOrderId


class OrderCreator(OrderDesk):
    """Turns each signal into one order, and says so when the order is durable."""

    def __init__(self, tools: OrderTools, taken: Taken) -> None:
        super().__init__(tools)
        self._taken = taken
        self._creating: dict[ClientOrderId, Creating] = {}

    def on_appended(self, message: Committed | AppendFailed) -> None:
        """Hear whether an order was written down."""
        if message.append.life != self.life:
            return
        if isinstance(message, Committed):
            self._on_committed(message.append)
        else:
            self._on_append_failed(message.append, message.error)

    def on_signal(self, signal: Signal, reply: Reply | None) -> None:
        """Make an order of the signal, or find the one that was made.

        Raises:
            InvalidInputError: The signal cannot be used, or is another under a known id.
            BusyError: Too many orders wait.
        """
        known = client_order_id(signal.account_id, signal.signal_id)
        digest = signal_digest(signal)
        if (creating := self._creating.get(known)) is not None:
            if creating.order.digest == digest:
                creating.replies.append(reply)
            else:
                creating.others.append((signal, reply))
        elif (written := self.digest_of(known)) is not None:
            _require_same(written, digest)
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
        self._unsent.add(known)
        self.append(f"{ORDER}{known}", 0, events, topics, order)
        self._creating[known] = Creating(order, [reply], self._handed_over(order))

    def _handed_over(self, order: Order) -> tuple[Ref, Handoff] | None:
        """Start the order's actor at once; nothing leaves it before the order is written down."""
        if order.is_closed:
            return None
        may_be_sent = self.has_claim(order)
        handoff = Handoff(order, is_wanted=may_be_sent, creator=self.life)
        ref = self.begin_order(order.client_order_id, handoff)
        if may_be_sent:
            self._tools.to.broker(Want(ref, order.created_at))
        return ref, handoff

    def _on_committed(self, append: Append) -> None:
        known = ClientOrderId(append.stream.removeprefix(ORDER))
        creating = self._creating.pop(known, None)
        if creating is None:
            return
        order = creating.order
        if order.is_closed:
            self._unsent.discard(known)
        else:
            self.spawn_order(order)
            self.end_begun(known)
        for position, reply in enumerate(creating.replies):
            receipt = Receipt(order.signal.signal_id, known, is_duplicate=position > 0)
            self._taken.give(reply, receipt)
        for signal, reply in creating.others:
            self._tell_again(signal, reply)

    def _on_append_failed(self, append: Append, error: Exception) -> None:
        known = ClientOrderId(append.stream.removeprefix(ORDER))
        creating = self._creating.pop(known, None)
        if creating is None or not isinstance(error, ConflictError):
            raise error
        # The signal was told long ago and its actor has left.
        self._unsent.discard(known)
        order = creating.order
        if creating.given is not None:
            ref, handoff = creating.given
            ref.tell_control(NotWritten(handoff))
            self.on_claim(ReleaseClaim(known))
        for reply in creating.replies:
            self.load_order(known, self._answer_old(order.signal, order.digest, reply))
        self.on_not_written(known)
        for signal, reply in creating.others:
            self._tell_again(signal, reply)

    def _tell_again(self, signal: Signal, reply: Reply | None) -> None:
        try:
            self.on_signal(signal, reply)
        except (InvalidInputError, BusyError) as error:
            self.refuse(signal, error, reply)

    def ref_of(self, known: ClientOrderId) -> Ref | None:
        """Return the order's actor, also while the order is being written down."""
        creating = self._creating.get(known)
        if creating is not None and creating.given is not None:
            return creating.given[0]
        return super().ref_of(known)

    @abstractmethod
    def on_not_written(self, known: ClientOrderId) -> None:
        """Bring what was asked of the order to the one that was written down before."""

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
            self.refuse(signal, refusal, reply)
            return
        try:
            _require_same(order.digest, digest)
        except SignalConflictError as error:
            self.refuse(signal, error, reply)
            return
        receipt = Receipt(signal.signal_id, order.client_order_id, is_duplicate=True)
        self._taken.give(reply, receipt)

    def refuse(
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
