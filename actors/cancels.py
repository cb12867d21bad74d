"""One order's cancel: asked of the broker again and again, until it ends one way or the other."""

from actors.facts import OrderFacts
from actors.handoff import Handoff
from actors.messages import Ask, CancelAtBroker, Line
from actors.tools import OrderTools, Wait
from domain.broker import OrderRef
from domain.events import CancelEnded, Cancelled, CancelOutcome, CancelStarted
from domain.ids import cancel_request_id
from domain.lifecycle import Step
from domain.order import Order
from domain.terms import ClientOrderId

CANCEL_BACKOFF_S = 1.0
CANCEL_CONFIRM_S = 5.0
WANT_AGAIN_S = 10.0


class OrderCancels(OrderFacts):
    """Asks for a cancel and waits for what becomes of it."""

    def __init__(self, client_order_id: ClientOrderId, handoff: Handoff, tools: OrderTools) -> None:
        super().__init__(client_order_id, handoff, tools)
        self._cancelling: int | None = None  # The request whose answer this life awaits.
        self._cancel_after_s = 0.0

    def proceed_to_cancel(self, step: Step) -> None:
        """Withdraw what was never sent; ask the broker for the rest, never twice at once."""
        order = self.state
        assert order.cancel is not None, "a cancel is due only when it was asked for"
        if step is Step.WITHDRAW:
            self.record(Cancelled(reason=order.cancel.reason, at=self.system.now()))
            return
        wait_s = self._cancel_after_s - self.system.monotonic()
        if wait_s > 0:
            self.wait(wait_s, Wait.CANCEL)
            return
        assert order.broker_order_id is not None, "a cancel is due only at the broker"
        assert order.trade_date is not None, "the broker's number comes with its trade date"
        number = order.cancel_requests + 1
        request_id = cancel_request_id(self._id, number)
        ref = OrderRef(
            client_order_id=self._id,
            broker_order_id=order.broker_order_id,
            trade_date=order.trade_date,
            symbol=order.symbol,
        )
        ask = Ask(self.ref, Line.CANCEL, CancelAtBroker(ref, request_id, number))
        self._cancelling = number
        self.wait(WANT_AGAIN_S, Wait.CANCELLED)
        started = CancelStarted(number=number, request_id=request_id, at=self.system.now())
        self.record(started, then=(lambda: self._tools.to.broker(ask),))

    def follow_cancel(self, order: Order) -> None:
        """See that a cancel at the broker ends, also one that an earlier life asked for."""
        cancel = order.cancel
        if cancel is None:
            return
        if cancel.is_acknowledged:
            self.wait(CANCEL_CONFIRM_S, Wait.CANCELLED)
        elif cancel.is_asking and self._cancelling is None:
            self.cancel_ended_unknown("no answer was written down before the restart")

    def cancel_ended_unknown(self, reason: str) -> None:
        """Write down that the latest cancel request led nowhere; it may be repeated."""
        cancel = self.state.cancel
        if cancel is not None:
            ended = CancelEnded(
                number=self.state.cancel_requests,
                outcome=CancelOutcome.UNKNOWN,
                reason=reason,
                at=self.system.now(),
            )
            self.record(self.bounded(ended))

    def bounded(self, ended: CancelEnded) -> CancelEnded:
        """Return ``ended``, as refused when too many requests got nowhere."""
        cancel, most = self.state.cancel, self._tools.settings.max_cancel_requests
        is_last = cancel is not None and cancel.requests >= most
        if not is_last or ended.outcome is CancelOutcome.ACKNOWLEDGED:
            return ended
        reason = f"gave up after {most} requests; the last: {ended.reason}"
        return CancelEnded(
            number=ended.number, outcome=CancelOutcome.REFUSED, reason=reason, at=ended.at
        )
