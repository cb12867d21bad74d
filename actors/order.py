"""One actor per live order: it owns that order's facts and sees it to its end.

It writes down before it acts, asks after every lost answer, and never sends what may have been
sent. Here is what it is told; what it does by itself stands in ``actors.steps``.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any, assert_never

from actors.cancels import CANCEL_BACKOFF_S
from actors.claims import ClaimGranted, ClaimTaken, LookAlike
from actors.errors import WithheldError
from actors.handoff import NotWritten
from actors.held import Released
from actors.messages import (
    CancelAtBroker,
    CancelOrder,
    FillSeen,
    Go,
    Leave,
    ListOrders,
    LookUp,
    Nudge,
    OrderSeen,
    Outcome,
    Place,
    ResolveOrder,
    Stays,
    Ticket,
    Turn,
)
from actors.tools import Wait
from actors.totals import OrderTotals
from domain.broker import CancelAck, OrderRequest
from domain.events import Cancelled, CancelRequested, OrderEvent, Overdue, SubmitStarted
from domain.fingerprint import fingerprint
from domain.journal import Loaded
from domain.lifecycle import Step
from domain.order import Order


class OrderActor(OrderTotals):
    """Turns what it is told about one order into events of that order."""

    def handle(self, message: Any) -> None:
        """Handle one message."""
        match message:
            case Turn(ticket):
                self._on_turn(ticket)
            case Outcome():
                self._on_outcome(message)
            case FillSeen() | OrderSeen():
                self._on_news(message)
            case CancelOrder() | ResolveOrder():
                self._on_wish(message)
            case Leave() | NotWritten() | LookAlike() | ClaimGranted() | ClaimTaken():
                self._on_desk(message)
            case Loaded():
                self.on_bound(message)
            case Wait() | Released():
                self._on_waited(message)
            case _:
                msg = f"an order cannot handle {type(message).__name__}"
                raise TypeError(msg)

    def _on_waited(self, end: Wait | Released) -> None:
        if isinstance(end, Released):
            self._on_released()
        else:
            self._on_timer(end)

    def _on_news(self, news: FillSeen | OrderSeen) -> None:
        if isinstance(news, FillSeen):
            self.record(self.answers.filled(news.fill, news.source))
        else:
            self.on_seen(news.order, news.source)

    def _on_wish(self, wish: CancelOrder | ResolveOrder) -> None:
        if isinstance(wish, CancelOrder):
            self._on_cancel(wish)
        else:
            self.on_resolve(wish)

    def _on_desk(self, message: Leave | NotWritten | LookAlike | ClaimGranted | ClaimTaken) -> None:
        match message:
            case Leave(version=version):
                self._on_leave(version)
            case NotWritten(handoff=handoff):
                # Also in a later life, which has loaded the other: that begins by itself.
                if handoff is self._handoff:
                    self.give_way()
            case LookAlike(order=news):
                self.on_look_alike(news)
            case ClaimGranted() | ClaimTaken():
                self._on_claim(message)
            case _:
                assert_never(message)

    def _on_claim(self, answer: ClaimGranted | ClaimTaken) -> None:
        if isinstance(answer, ClaimTaken):
            self._behind = answer.holder
            return
        self._has_claim, self._behind = True, None
        self.cancel_timer(Wait.CLAIM)
        if self.is_durable:
            self.proceed()

    def _on_leave(self, version: int) -> None:
        if not self.is_durable or self.step() is not Step.REST or self.is_checking():
            # Something new has come since it asked.
            self._tools.to.executor(Stays(self._id))
        elif self.state.version == version:
            self.stop_self()
        # Otherwise it has asked once more.

    def _on_cancel(self, wish: CancelOrder) -> None:
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
        is_due = self.is_durable and self.step() is Step.SUBMIT and self._has_claim
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
        claim = fingerprint(order.signal) if self._tools.is_claiming else None
        started = SubmitStarted(
            attempt=attempt,
            since=now,
            send_by=now + timedelta(seconds=timing.send_window_s),
            claim=claim,
        )
        self._claiming = None if claim is None else (order, ticket)
        place = Place(_request(order), attempt, send_by_s, order.signal.strategy_id)
        go = Go(ticket, self.ref, place)
        self.record(started, then=(lambda: self._go(go),))
        longest_s = timing.send_window_s + timing.call_timeout_s + timing.overdue_grace_s
        self.wait(longest_s, Wait.ANSWER)

    def _go(self, go: Go) -> None:
        self._claiming = None
        if self.state.placement is None:
            # A yes to an earlier attempt came while this one was being written down.
            self._placing = None
            self.cancel_timer(Wait.ANSWER)
            go = replace(go, call=None)
        else:
            self._may_be_in_line = True
        self._tools.to.broker(go)

    def _on_outcome(self, outcome: Outcome) -> None:
        match outcome.call:
            case Place():
                self._on_placed(outcome, outcome.call.attempt)
            case LookUp():
                self.on_looked_up(outcome)
            case ListOrders():
                self.on_total(outcome)
            case CancelAtBroker(number=number):
                self._on_cancel_answer(outcome, number)
            case _:
                msg = f"an order did not ask for {type(outcome.call).__name__}"
                raise TypeError(msg)

    def _on_placed(self, outcome: Outcome, attempt: int) -> None:
        is_mine = self._placing == attempt
        if is_mine:
            self._placing, self._may_be_in_line = None, False
            self.cancel_timer(Wait.ANSWER)
        placement = self.state.placement
        is_open = placement is not None and placement.attempt == attempt
        # A yes counts whenever it comes. A no counts for the attempt it answers, in the life
        # that sent it: an earlier life's ticket may have been used twice.
        if outcome.error is None or (is_mine and is_open):
            if isinstance(outcome.error, WithheldError) and outcome.error.is_held:
                # Look before the next attempt: one that the guard stops is two rows.
                self._is_held = True
            self.record(*self.answers.to_placement(self.state, outcome))
        elif self.is_durable:
            self.proceed()

    def _on_released(self) -> None:
        self._is_held = False
        if self.is_durable:
            self.proceed()

    def _on_cancel_answer(self, outcome: Outcome, number: int) -> None:
        if self._cancelling == number:
            self._cancelling = None
            self.cancel_timer(Wait.CANCELLED)
        tried = self.state.cancel.requests if self.state.cancel is not None else 0
        self._cancel_after_s = self.system.monotonic() + CANCEL_BACKOFF_S * tried
        ended = self.answers.to_cancel(outcome, number)
        events: list[OrderEvent] = [self.bounded(ended)]
        order, ack = self.state, outcome.value
        if isinstance(ack, CancelAck) and ack.is_done and order.cancel is not None:
            # Fills that crossed it come with the poll, and are booked all the same.
            events.append(Cancelled(reason=order.cancel.reason, at=self.system.now()))
        self.record(*events)
        self._tools.to.tracker(Nudge())

    def _on_timer(self, wait: Wait) -> None:
        match wait:
            case Wait.TURN | Wait.LOOKED_UP | Wait.FOLLOW:
                self._ask_again(wait)
            case Wait.ANSWER:
                self._placing = None
                self.doubt("no answer came in time")
                return
            case Wait.CANCELLED:
                self._cancelling = None
                self.cancel_ended_unknown("the order is still open after the cancel request")
                return
            case Wait.END | Wait.TOTAL:
                (self._on_overdue if wait is Wait.END else self.ask_total)()
                return
            case Wait.RETRY | Wait.LOOK_UP | Wait.CANCEL | Wait.CLAIM:
                pass
            case _:
                assert_never(wait)
        if self.is_durable:
            self.proceed()

    def _ask_again(self, wait: Wait) -> None:
        """Take what was asked for lost: it is asked for again when it is still due."""
        if wait is Wait.TURN:
            self._wants_turn = False
        elif wait is Wait.LOOKED_UP:
            self._looking = False
        else:
            self._is_followed, self._may_be_followed = False, True

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
