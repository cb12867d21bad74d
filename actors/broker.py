"""The only door to the broker: one call at a time, behind the rate limit, most urgent first.

It decides nothing about orders. Turns are given only as far as they can be served before they
expire; looks, permit and call happen in the calls' own thread (``actors.calls``). Slot, buckets
and guard belong to the engine and outlive every crash of this actor.
"""

import math
from collections.abc import Callable
from datetime import datetime
from heapq import heappop, heappush
from typing import Any, Final

import structlog

from actors.calls import Door, Served, expired, make_calls
from actors.gate import Recall
from actors.handoff import Unwant
from actors.limits import MARGIN
from actors.lines import Lines, Waiting
from actors.messages import Ask, Drain, Go, Line, Outcome, Place, Ticket, Turn, Want
from actors.runtime import Actor, Done, Ref
from domain.errors import OutcomeUnknownError, RateLimitedError
from domain.settings import Settings

log = structlog.get_logger()

# How far turns may run ahead of what the limit and the broker's speed can serve in their time.
TURNS_AHEAD = 0.8
FIRST_CALL_S = 0.05
# More turns than this only make the journal's commits longer than the turns last.
TURNS_OUT_MOST = 128
SLOT_RETRY_S = 0.02
# How long an order waits for one whose turn came earlier and which is still being written down.
IN_ORDER_S = 0.05
# New orders handed to the calls' thread at once; a fast broker takes several in one go.
CALLS_A_GO: Final = 16


class BrokerActor(Actor):
    """Serializes every call to one account at one broker."""

    def __init__(self, door: Door, settings: Settings) -> None:
        super().__init__()
        self._door = door
        self._settings = settings
        self._lines = Lines()
        self._wants: list[tuple[datetime, int, Ref]] = []  # A heap: oldest order first.
        self._wanting: set[Ref] = set()
        self._turns: dict[int, float] = {}  # Serial to expiry, oldest first.
        # Serial to when the turn was given, and to whom.
        self._undecided: dict[int, tuple[float, Ref]] = {}
        self._serial = 0
        self._pace_s = FIRST_CALL_S  # From one call's end to the next while orders wait.
        self._ended_at_s = 0.0
        self._was_busy = False  # Turns were out when the latest call ended.
        self._calling: tuple[Waiting, ...] = ()
        self._draining: Callable[[], None] | None = None
        self._is_closing = False  # For good: what would begin now could not be seen to its end.
        self._not_before_s = 0.0
        self._called_at_s = 0.0
        self._is_watched = False

    def on_receive(self, message: Any) -> None:
        """Handle one message, then serve whoever is next."""
        match message:
            case Want() | Unwant():
                self._on_want(message)
            case Go():
                self._on_go(message)
            case Ask():
                self._on_ask(message)
            case Recall(client_order_id=known):
                self._door.slot.recall(known)
            case Done():
                self._on_done(message)
            case "pump" | "expire" | "overdue":
                self._on_timer(message)
            case Drain(done=done):
                self._draining, self._is_closing = done, True
            case _:
                msg = f"the broker actor cannot handle {type(message).__name__}"
                raise TypeError(msg)
        self._pump()

    def _on_ask(self, ask: Ask) -> None:
        self._lines.put(Waiting(ask.line, ask.asker, ask.call, self.system.monotonic()))
        if ask.line < Line.NEW:
            self._door.slot.is_wanted = True

    def _on_timer(self, name: str) -> None:
        if name == "expire":
            self._expire_turns()
        elif name == "overdue":
            self._on_overdue()

    def _on_want(self, want: Want | Unwant) -> None:
        if isinstance(want, Unwant):
            self._on_unwant(want.order)
        elif want.order not in self._wanting:
            self._wanting.add(want.order)
            self._serial += 1
            heappush(self._wants, (want.created_at, self._serial, want.order))

    def _on_unwant(self, order: Ref) -> None:
        self._wanting.discard(order)
        for serial, (_, given_to) in list(self._undecided.items()):
            if given_to is order:
                del self._undecided[serial], self._turns[serial]

    def _on_go(self, go: Go) -> None:
        is_known = go.ticket.life == self.life and go.ticket.serial in self._turns
        self._undecided.pop(go.ticket.serial, None)
        if go.call is None:
            self._turns.pop(go.ticket.serial, None)
        elif is_known:
            now_s = self.system.monotonic()
            self._lines.put(Waiting(Line.NEW, go.order, go.call, now_s, go.ticket.serial))
        elif go.ticket.life == self.life:
            # It expired here, so nothing was sent under it.
            go.order.tell(Outcome(go.call, error=expired()))
        else:
            go.order.tell(Outcome(go.call, error=_not_ours("turn")))

    def _pump(self) -> None:
        self._serve()
        self._give_turns()
        if self._draining is not None and self._is_idle():
            done, self._draining = self._draining, None
            done()

    def _is_idle(self) -> bool:
        return not self._calling and not self._turns and not self._lines.has(Line.NEW)

    def _give_turns(self) -> None:
        if self._is_closing or not self._wants:
            return
        room = self._room()
        while self._wants and len(self._turns) < room:
            _, _, order = heappop(self._wants)
            if order not in self._wanting:
                continue
            self._wanting.discard(order)
            self._serial += 1
            if not self._turns:
                self.after(self._settings.turn_timeout_s, "expire", "expire")
            now_s = self.system.monotonic()
            self._turns[self._serial] = now_s + self._settings.turn_timeout_s
            self._undecided[self._serial] = (now_s, order)
            order.tell(Turn(Ticket(self.life, self._serial)))

    def _room(self) -> int:
        """Return how many turns may be out: as many as can be served before they expire."""
        limit = self._settings.rate
        window_s = self._settings.timing.send_window_s * TURNS_AHEAD
        open_s = window_s - self._door.bucket.opens_in_s(self.system.monotonic())
        by_limit = math.floor(open_s / (limit.window_s * MARGIN)) * limit.requests
        by_pace = math.floor(window_s / self._pace_s)
        return max(1, min(by_limit, by_pace, TURNS_OUT_MOST))

    def _expire_turns(self) -> None:
        """Forget turns that nobody used; those whose call stands in line keep their place."""
        now_s = self.system.monotonic()
        in_line = self._lines.serials() | {waiting.serial for waiting in self._calling}
        for serial, expires_s in list(self._turns.items()):
            if expires_s > now_s:
                break
            if serial not in in_line:
                del self._turns[serial]
                self._undecided.pop(serial, None)
        if self._turns:
            next_s = max(0.1, next(iter(self._turns.values())) - now_s)
            self.after(next_s, "expire", "expire")

    def _serve(self) -> None:
        """Make the most urgent call, if no call is under way."""
        if self._calling:
            return
        now_s = self.system.monotonic()
        if now_s < self._not_before_s:
            return
        self._drop_late(now_s)
        if (held_s := self._held_s(now_s)) > 0:
            self.after(held_s, "pump", "pump")
            return
        is_poll = self._lines.is_poll_due(now_s)
        poll_wait_s = self._door.polls.take(now_s) if is_poll else 0.0
        waiting = self._lines.first(is_poll=is_poll and poll_wait_s <= 0)
        if waiting is None:
            if poll_wait_s > 0:
                self.after(poll_wait_s, "pump", "pump")
            return
        if not self._door.slot.take(now_s):
            # A call of an earlier life or tree is still out.
            self._lines.put_back(waiting)
            self.after(SLOT_RETRY_S, "pump", "pump")
            if now_s - self._door.slot.since_s > self._longest_call_s():
                self._give_up("A")
            return
        self._call(waiting, now_s)

    def _drop_late(self, now_s: float) -> None:
        for late in self._lines.drop_late(now_s):
            self._turns.pop(late.serial, None)
            late.asker.tell(Outcome(late.call, error=expired()))

    def _call(self, first: Waiting, now_s: float) -> None:
        """Have ``first`` called, with the new orders that are next or what its answer serves."""
        calls = (first, *self._lines.other_lists(first))
        if first.line is Line.NEW:
            before = next(iter(self._undecided), math.inf)
            calls = (first, *self._lines.next_new(CALLS_A_GO - 1, before=before))
        self._calling = calls
        self._called_at_s = now_s
        self._watch()
        self._door.slot.is_wanted = False
        self.call(calls, make_calls, self._door, self._settings, calls, self.system, keep=True)

    def _held_s(self, now_s: float) -> float:
        """Return how long the next new order waits for those before it, so that order is kept."""
        turn = self._lines.next_turn()
        if turn is None or not self._undecided:
            return 0.0
        first, (given_s, _) = next(iter(self._undecided.items()))
        return given_s + IN_ORDER_S - now_s if first < turn else 0.0

    def _on_done(self, done: Done) -> None:
        if done.tag is self._calling:
            self._calling = ()
        served = done.value
        assert isinstance(served, Served), f"the calls ended with {done.error!r}"
        if served.wait_s > 0:
            self._not_before_s = self.system.monotonic() + served.wait_s
            self.after(served.wait_s, "pump", "pump")
        if done.life == self.life:
            for waiting in reversed(served.left):
                self._lines.put_back(waiting)
            for waiting in done.tag[: len(served.outcomes)]:
                self._turns.pop(waiting.serial, None)
        else:
            # That life may have put them back and called them before it failed.
            for waiting in served.left:
                waiting.asker.tell(Outcome(waiting.call, error=_not_ours("call")))
        if served.outcomes:
            self._on_outcomes(served.outcomes)

    def _on_outcomes(self, outcomes: tuple[Outcome, ...]) -> None:
        """Learn from how the calls went; the askers have been told."""
        now_s, last = self.system.monotonic(), outcomes[-1]
        if isinstance(last.error, RateLimitedError):
            self._door.bucket.close_for(last.error.retry_after_s, now_s)
            log.warning("broker.rate_limited", retry_after_s=last.error.retry_after_s)
        # How fast orders go out: by the broker, or by the journal when that is slower.
        took_s = now_s - (self._ended_at_s if self._was_busy else outcomes[0].asked_s)
        self._ended_at_s, self._was_busy = now_s, bool(self._turns)
        calls = len(outcomes) if isinstance(last.call, Place) else 1
        self._pace_s = 0.8 * self._pace_s + 0.2 * max(0.0001, took_s / calls)

    def _watch(self) -> None:
        """See that a call which never returns is noticed; one timer serves many calls."""
        if not self._is_watched:
            self._is_watched = True
            self.after(self._longest_call_s(), "overdue", "overdue")

    def _longest_call_s(self) -> float:
        timing = self._settings.timing
        return timing.call_timeout_s + timing.overdue_grace_s

    def _on_overdue(self) -> None:
        self._is_watched = False
        if not self._calling:
            return
        left_s = self._called_at_s + self._longest_call_s() - self.system.monotonic()
        if left_s > 0:
            self._is_watched = True
            self.after(left_s, "overdue", "overdue")
            return
        self._give_up(f"A {type(self._calling[0].call).__name__}")

    def _give_up(self, what: str) -> None:
        """Stop the engine: nobody knows what a call that hangs will still do."""
        self._door.fatal(OutcomeUnknownError(f"{what} call to the broker does not return"))


def _not_ours(what: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(f"the {what} belongs to an earlier life of the broker actor")
