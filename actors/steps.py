"""What an order does by itself: the step its facts call for, and the timer behind every wait.

Which step is due comes from ``domain.lifecycle``; this file only knows when, and asks for it.
"""

from datetime import datetime
from typing import assert_never

from actors.cancels import WANT_AGAIN_S, OrderCancels
from actors.claims import AskClaim, ClaimLost, ReleaseClaim
from actors.gate import Recall
from actors.handoff import Handoff, Unwant
from actors.held import Held, Unheld
from actors.machine import Effect
from actors.messages import (
    Ask,
    Follow,
    Go,
    Left,
    Line,
    LookUp,
    Rested,
    Ticket,
    Unfollow,
    Want,
)
from actors.tools import OrderTools, Wait
from domain.errors import ClaimRefusedError, NotCreatedError
from domain.events import (
    Failed,
    OrderEvent,
    SubmitDoubted,
)
from domain.fingerprint import LOOK_BACK, fingerprint
from domain.lifecycle import Step
from domain.order import Order
from domain.terms import ClientOrderId, OrderStatus, OrderType

FOLLOW_AGAIN_S = 60.0

_CLAIMED = frozenset({Step.SUBMIT, Step.AWAIT, Step.LOOK_UP})


class OrderSteps(OrderCancels):
    """One order's waits, and the step that is due."""

    def __init__(self, client_order_id: ClientOrderId, handoff: Handoff, tools: OrderTools) -> None:
        super().__init__(client_order_id, handoff, tools)
        self._wants_turn = False
        self._has_claim = not tools.is_claiming
        self._may_have_claim = tools.is_claiming  # Granted to an earlier life, or asked for.
        self._behind: ClientOrderId | None = None  # Who has the claim that the order waits for.
        self._claiming: tuple[Order, Ticket] | None = None  # Before it is known to be granted.
        self._placing: int | None = None  # The attempt whose outcome this life awaits.
        self._may_be_in_line = True  # A placement of this life, or of an earlier one.
        self._is_held = False  # By the guard.
        self._looking = False
        self._lookups = 0
        self._look_after_s = 0.0
        self._settled_at_s: float | None = None
        self._is_followed = self._has_followed = self._has_left = False
        self._may_be_followed = True  # By an earlier life.
        self._retry_at_s: float | None = None
        self._deadline_s: float | None = None

    def initial(self) -> Order | None:
        """Return the order that was handed over, in the first life only."""
        order = self._handoff.take()
        self._may_be_followed = self._may_be_in_line = order is None
        self._creator = None if order is None else self._handoff.creator
        if order is not None and self._handoff.is_wanted:
            self._wants_turn = self._has_claim = True
            self.wait(WANT_AGAIN_S, Wait.TURN)
        return order

    def proceed(self) -> None:
        """Do what is due, or see that a timer will."""
        self._recall()
        step = self.step()
        if self._is_held and step is not Step.SUBMIT:
            self._is_held = False
            self._tools.to.held(Unheld(self.ref))
        if step not in _CLAIMED:
            self._release_claim()
        match step:
            case Step.SUBMIT:
                self._proceed_to_submit()
            case Step.AWAIT | Step.LOOK_UP:
                self._proceed_to_find_out(step)
            case Step.WITHDRAW | Step.CANCEL:
                self.proceed_to_cancel(step)
            case Step.FOLLOW:
                self._proceed_to_follow()
            case Step.REST:
                self._proceed_to_rest()
            case _:
                assert_never(step)

    def record(self, *events: OrderEvent, then: tuple[Effect, ...] = ()) -> bool:
        """Record as every order does; what keeps a placement back waits for no commit."""
        is_new = super().record(*events, then=then)
        self._recall()
        return is_new

    def _recall(self) -> None:
        """Keep back what waits in line once the broker is known to have the order."""
        order = self.state
        is_over = order.broker_order_id is not None or order.is_closed
        if self._may_be_in_line and is_over:
            self._may_be_in_line = False
            self._tools.to.broker(Recall(self._id))

    def doubt(self, reason: str) -> None:
        """Write down that the attempt under way, if any, may or may not have become an order."""
        placement = self.state.placement
        if placement is not None:
            now = self.system.now()
            self.record(SubmitDoubted(attempt=placement.attempt, reason=reason, at=now))
        elif self.is_durable:
            self.proceed()

    def retry_in_s(self) -> float:
        """Return how long the next attempt has to wait; 0 when it may go.

        The wall clock may be stepped: it is read once in a life, to go on where another ended.
        """
        retry_at, now_s = self.state.retry_at, self.system.monotonic()
        if retry_at is None:
            self._retry_at_s = None
            return 0.0
        if self._retry_at_s is None:
            left_s = _seconds_until(retry_at, self.system.now())
            self._retry_at_s = now_s + min(max(0.0, left_s), self.state.retry_wait_s)
        return max(0.0, self._retry_at_s - now_s)

    def until_deadline_s(self) -> float:
        """Return how long the order may still be sent; the wall clock is read once in a life."""
        now_s = self.system.monotonic()
        if self._deadline_s is None:
            self._deadline_s = now_s + _seconds_until(self.state.deadline, self.system.now())
        return self._deadline_s - now_s

    def settle_end_s(self) -> float:
        """Return the monotonic time after which absence can be proved.

        A restart knows only wall times, so it counts from itself: later than any send_by.
        """
        if self._settled_at_s is None:
            timing = self._tools.settings.timing
            self._settled_at_s = self.system.monotonic() + timing.send_window_s + timing.settle_s
        return self._settled_at_s

    def _why_unsent(self) -> str:
        if self._behind is not None:
            return f" behind order {self._behind}, which looks the same and may be in doubt"
        last = self.state.last_reason.rstrip(".")
        return f"; the last attempt: {last}" if last else ""

    def _proceed_to_submit(self) -> None:
        order, now = self.state, self.system.now()
        until_deadline_s = self.until_deadline_s()
        if until_deadline_s <= 0:
            waited_s = (now - order.created_at).total_seconds()
            waited = f"it waited {waited_s:.1f} s{self._why_unsent()}"
            reason = f"not sent within its deadline; {waited}. Signal it again under a new id."
            self.record(Failed(rule="deadline", reason=reason, at=now))
            return
        if self._is_held:
            self._release_claim()
            self._tools.to.held(Held(self.ref, (order.symbol, order.signal.strategy_id)))
            self.wait(min(WANT_AGAIN_S, until_deadline_s), Wait.RETRY)
            return
        if (wait_s := self.retry_in_s()) > 0:
            self._release_claim()
            self.wait(min(wait_s, until_deadline_s), Wait.RETRY)
            return
        if self._wants_turn:
            return
        if not self._has_claim:
            self._may_have_claim = True
            self._tools.to.executor(AskClaim(self._id, fingerprint(order.signal)))
            self.wait(min(WANT_AGAIN_S, until_deadline_s), Wait.CLAIM)
            return
        self._wants_turn = True
        self._tools.to.broker(Want(self.ref, order.created_at))
        self.wait(min(WANT_AGAIN_S, until_deadline_s), Wait.TURN)

    def _proceed_to_find_out(self, step: Step) -> None:
        if step is Step.AWAIT:
            if self._placing is None:
                # An earlier life sent it, and its answer went to nobody.
                self.doubt("no answer was written down before the restart")
            return
        self._leave_backlog()
        self.settle_end_s()
        if self._looking:
            return
        wait_s = self._look_after_s - self.system.monotonic()
        if wait_s > 0:
            self.wait(wait_s, Wait.LOOK_UP)
            return
        self._looking = True
        self._tools.to.broker(Ask(self.ref, Line.LOOK_UP, LookUp(self._id, self.look_since())))
        self.wait(WANT_AGAIN_S, Wait.LOOKED_UP)

    def look_since(self) -> datetime | None:
        """Return from when on to look at all orders; None to ask by our id."""
        return self.seen_since() if self._tools.is_claiming else None

    def seen_since(self) -> datetime:
        """Return from when on the broker may show what was sent."""
        return (self.state.submitted_at or self.state.created_at) - LOOK_BACK

    def on_append_failed(self, error: Exception) -> None:
        """Stand in line again when another order of this look is in doubt; else start again."""
        if isinstance(error, NotCreatedError):
            self.give_way()
            return
        is_alone = len(self._held) == 1 and len(self._held[0]) == 1
        if not isinstance(error, ClaimRefusedError) or self._claiming is None or not is_alone:
            raise error
        self._held.clear()
        self._state, ticket = self._claiming
        self._claiming, self._placing, self._has_claim = None, None, False
        self.cancel_timer(Wait.ANSWER)
        self._tools.to.broker(Go(ticket, self.ref, None))
        self._tools.to.executor(ClaimLost(self._id))
        self.proceed()

    def give_way(self) -> None:
        """Leave to the order of the same id that was written down before."""
        self._tools.to.broker(Unwant(self.ref))
        self.stop_self()

    def _release_claim(self) -> None:
        if self._tools.is_claiming and (self._has_claim or self._may_have_claim):
            self._has_claim = self._may_have_claim = False
            self._tools.to.executor(ReleaseClaim(self._id))

    def _proceed_to_follow(self) -> None:
        order = self.state
        self._leave_backlog()
        if not self._is_followed:
            self._is_followed = True
            since = order.submitted_at or order.created_at
            assert order.broker_order_id is not None, "only what the broker has is followed"
            assert order.trade_date is not None, "the broker's number comes with its trade date"
            number = (order.trade_date, order.broker_order_id)
            self._tools.to.tracker(Follow(self._id, since, number, self._has_followed))
            self._has_followed = True
            self.wait(FOLLOW_AGAIN_S, Wait.FOLLOW)
            if order.signal.order_type is OrderType.MARKET and not order.is_overdue:
                age_s = (self.system.now() - since).total_seconds()
                self.wait(max(0.0, self._tools.settings.market_timeout_s - age_s), Wait.END)
        self.follow_cancel(order)

    def _leave_backlog(self) -> None:
        """Make room for a new signal: this order has been sent."""
        if not self._has_left:
            self._has_left = True
            self._tools.to.executor(Left(self._id))

    def _proceed_to_rest(self) -> None:
        """Leave, unless a call or a turn is still out that would answer to nobody."""
        if self._wants_turn or self._placing is not None or self._cancelling is not None:
            return
        if self._looking or self.is_checking():
            return
        if self._is_followed or self._may_be_followed:
            self._is_followed = self._may_be_followed = False
            self._tools.to.tracker(Unfollow(self._id))
        # It says when to leave: what it has told us by then comes first.
        self._tools.to.executor(Rested(self.ref, self.state, self._given_up()))

    def is_checking(self) -> bool:
        """Return whether something about an order that has ended is still being found out."""
        return False

    def _given_up(self) -> tuple[str, datetime] | None:
        """Return what nothing was found of, where orders are found by their looks."""
        order = self.state
        since, ended = order.submitted_at, order.closure
        if not self._tools.is_claiming or since is None or ended is None:
            return None
        is_absent = ended.status in (OrderStatus.FAILED, OrderStatus.CANCELLED)
        if not is_absent or order.broker_order_id is not None:
            return None
        return fingerprint(order.signal), since


def _seconds_until(moment: datetime, now: datetime) -> float:
    return (moment - now).total_seconds()
