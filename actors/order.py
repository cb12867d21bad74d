"""One actor per live order: it owns that order's facts and sees it to its end.

It writes down before it acts, asks after every lost answer, and never sends what may have been
sent. Here is what it is told; what it does by itself stands in ``actors.steps``.
"""

from datetime import timedelta
from typing import Any, assert_never

from actors.answers import Answers
from actors.gate import HELD_S
from actors.messages import (
    CancelAtBroker,
    CancelOrder,
    FillSeen,
    Go,
    Leave,
    LookUp,
    Nudge,
    OrderSeen,
    Outcome,
    Place,
    Stays,
    Ticket,
    Turn,
    WithheldError,
)
from actors.runtime import Done
from actors.steps import CANCEL_BACKOFF_S, OrderSteps, Wait
from domain.broker import CancelAck, OrderRequest
from domain.events import Cancelled, CancelRequested, OrderEvent, Overdue, SubmitStarted
from domain.lifecycle import Step, reports_in
from domain.order import Order

LOOK_UP_FIRST_S, LOOK_UP_LONGEST_S = 0.5, 30.0
HELD_LONGEST_S = 2.0


class OrderActor(OrderSteps):
    """Turns what it is told about one order into events of that order."""

    def handle(self, message: Any) -> None:
        """Handle one message."""
        match message:
            case Turn(ticket):
                self._on_turn(ticket)
            case Outcome():
                self._on_outcome(message)
            case FillSeen(fill, source):
                self.record(self._answers.filled(fill, source))
            case OrderSeen(news, source):
                self.record(*reports_in(self.state, news, source, self.system.now()))
            case CancelOrder() | Leave():
                self._on_wish(message)
            case Wait():
                self._on_timer(message)
            case Done():
                self._on_guard_looked(message)
            case _:
                msg = f"an order cannot handle {type(message).__name__}"
                raise TypeError(msg)

    @property
    def _answers(self) -> Answers:
        return Answers(self._tools.settings, self._tools.next_wait, self.system.now())

    def _on_wish(self, wish: CancelOrder | Leave) -> None:
        if isinstance(wish, Leave):
            if self.is_durable and self.step() is Step.REST:
                self.stop_self()
            else:
                # Something new has come since it asked.
                self._tools.to.executor(Stays(self._id))
            return
        requested = CancelRequested(
            reason=wish.reason, requested_by=wish.requested_by, at=self.system.now()
        )
        wishes = self._handoff.wishes
        if wish not in wishes:
            wishes.append(wish)

        def answer() -> None:
            if wish in wishes:
                wishes.remove(wish)
                if wish.done is not None:
                    wish.done()

        if not self.record(requested, then=(answer,)):
            # It has ended, or the wish is known: what says so may still be on its way to disk.
            self.when_durable(answer)

    def _on_turn(self, ticket: Ticket) -> None:
        """Decide with the latest facts: a cancel or a deadline may have come since the Want."""
        self._wants_turn = False
        self.cancel_timer(Wait.TURN)
        order, now = self.state, self.system.now()
        is_due = self.is_durable and self.step() is Step.SUBMIT
        if not is_due or self.until_deadline_s() <= 0 or self.retry_in_s() > 0:
            self._tools.to.broker(Go(ticket, self.ref, None))
            if self.is_durable:
                self.proceed()
            return
        timing = self._tools.settings.timing
        attempt = order.attempts + 1
        send_by_s = self.system.monotonic() + timing.send_window_s
        self._placing, self._retry_at_s = attempt, None
        self._settled_at_s = send_by_s + timing.settle_s
        started = SubmitStarted(
            attempt=attempt, since=now, send_by=now + timedelta(seconds=timing.send_window_s)
        )
        place = Place(_request(order), attempt, send_by_s, order.signal.strategy_id)
        go = Go(ticket, self.ref, place)
        self.record(started, then=(lambda: self._tools.to.broker(go),))
        longest_s = timing.send_window_s + timing.call_timeout_s + timing.overdue_grace_s
        self.wait(longest_s, Wait.ANSWER)

    def _on_outcome(self, outcome: Outcome) -> None:
        match outcome.call:
            case Place():
                self._on_placed(outcome, outcome.call.attempt)
            case LookUp():
                self._on_looked_up(outcome)
            case CancelAtBroker(number=number):
                self._on_cancel_answer(outcome, number)
            case _:
                msg = f"an order did not ask for {type(outcome.call).__name__}"
                raise TypeError(msg)

    def _on_placed(self, outcome: Outcome, attempt: int) -> None:
        is_mine = self._placing == attempt
        if is_mine:
            self._placing = None
            self.cancel_timer(Wait.ANSWER)
        placement = self.state.placement
        is_open = placement is not None and placement.attempt == attempt
        # A yes counts whenever it comes. A no counts for the attempt it answers, in the life
        # that sent it: an earlier life's ticket may have been used twice.
        if outcome.error is None or (is_mine and is_open):
            if isinstance(outcome.error, WithheldError) and outcome.error.is_held:
                self._hold_back()
            self.record(*self._answers.to_placement(self.state, outcome))
        elif self.is_durable:
            self.proceed()

    def _hold_back(self) -> None:
        """Look before the next attempt: an attempt that the guard stops is two rows."""
        self._held_s = min(HELD_LONGEST_S, 2 * self._held_s or HELD_S)

    def _on_guard_looked(self, looked: Done) -> None:
        self._is_at_guard = False
        if looked.error is None:
            self._held_s = 0.0
        else:
            self._hold_back()
            self._retry_at_s = self.system.monotonic() + self._held_s
        if self.is_durable:
            self.proceed()

    def _on_looked_up(self, outcome: Outcome) -> None:
        self._looking = False
        self.cancel_timer(Wait.LOOKED_UP)
        if self.step() is not Step.LOOK_UP:
            self.proceed()
            return
        settled_at_s = self.settle_end_s()
        timing = self._tools.settings.timing
        # A call may end long after its time; what it sent late is as late to arrive.
        is_settled = outcome.asked_s >= settled_at_s and outcome.quiet_s >= timing.hidden_s
        now_s = self.system.monotonic()
        self._lookups += 1
        self._look_after_s = now_s + min(
            LOOK_UP_LONGEST_S, LOOK_UP_FIRST_S * 2 ** (self._lookups - 1)
        )
        if outcome.error is None and not is_settled:
            settled_at_s = max(settled_at_s, outcome.asked_s + timing.hidden_s - outcome.quiet_s)
            self._look_after_s = min(self._look_after_s, max(now_s, settled_at_s))
        self.record(*self._answers.to_lookup(self.state, outcome, is_settled=is_settled))

    def _on_cancel_answer(self, outcome: Outcome, number: int) -> None:
        if self._cancelling == number:
            self._cancelling = None
            self.cancel_timer(Wait.CANCELLED)
        tried = self.state.cancel.requests if self.state.cancel is not None else 0
        self._cancel_after_s = self.system.monotonic() + CANCEL_BACKOFF_S * tried
        ended = self._answers.to_cancel(outcome, number)
        events: list[OrderEvent] = [self.bounded(ended)]
        order, ack = self.state, outcome.value
        if isinstance(ack, CancelAck) and ack.is_done and order.cancel is not None:
            # Fills that crossed it come with the poll, and are booked all the same.
            events.append(Cancelled(reason=order.cancel.reason, at=self.system.now()))
        self.record(*events)
        self._tools.to.tracker(Nudge())

    def _on_timer(self, wait: Wait) -> None:
        match wait:
            case Wait.TURN:
                self._wants_turn = False
            case Wait.ANSWER:
                self._placing = None
                self.doubt("no answer came in time")
                return
            case Wait.LOOKED_UP:
                self._looking = False
            case Wait.CANCELLED:
                self._cancelling = None
                self.cancel_ended_unknown("the order is still open after the cancel request")
                return
            case Wait.END:
                self._on_overdue()
                return
            case Wait.RETRY | Wait.LOOK_UP | Wait.CANCEL:
                pass
            case _:
                assert_never(wait)
        if self.is_durable:
            self.proceed()

    def _on_overdue(self) -> None:
        order, now = self.state, self.system.now()
        if order.is_closed:
            return
        open_for_s = (now - (order.submitted_at or now)).total_seconds()
        events: list[OrderEvent] = [Overdue(open_for_s=open_for_s, at=now)]
        if self._tools.settings.cancel_overdue:
            reason = f"still open after {open_for_s:.0f} s"
            events.append(CancelRequested(reason=reason, requested_by="oncefill", at=now))
        self.record(*events)


def _request(order: Order) -> OrderRequest:
    signal = order.signal
    return OrderRequest(
        client_order_id=order.client_order_id,
        symbol=signal.symbol,
        side=signal.side,
        order_qty=signal.order_qty,
        order_type=signal.order_type,
        limit_px=signal.limit_px,
        time_in_force=signal.time_in_force,
    )
