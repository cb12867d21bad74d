"""The only door to the broker: one call at a time, behind the rate limit, most urgent first.

It decides nothing about orders. Turns are given only as far as they can be served before they
expire; the permit is taken at the call, in the call's own thread, and after it the guard looks
once more. Slot, buckets and guard belong to the engine and outlive every crash of this actor.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heappop, heappush
from typing import Any, assert_never

import structlog

from actors.limits import MARGIN, CallSlot, RequestBucket
from actors.lines import Lines, Waiting
from actors.messages import (
    Ask,
    BrokerCall,
    CancelAtBroker,
    Drain,
    Go,
    Line,
    ListFills,
    ListOrders,
    ListPositions,
    LookUp,
    Outcome,
    Place,
    Ticket,
    Turn,
    Want,
    WithheldError,
)
from actors.runtime import Actor, Done, Ref
from domain.errors import OutcomeUnknownError, RateLimitedError, error_text
from domain.ports import BrokerGateway, Guard
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What stands between the engine and the broker, and outlives the actor."""

    gateway: BrokerGateway
    guard: Guard
    bucket: RequestBucket
    polls: RequestBucket
    slot: CallSlot
    fatal: Callable[[Exception], None] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _NotYet:
    """No permit was free; the call was not made."""

    wait_s: float


class BrokerActor(Actor):
    """Serializes every call to one account at one broker."""

    own_thread = True

    def __init__(self, door: Door, settings: Settings) -> None:
        super().__init__()
        self._door = door
        self._settings = settings
        self._lines = Lines()
        self._wants: list[tuple[datetime, int, Ref]] = []  # A heap: oldest order first.
        self._wanting: set[Ref] = set()
        self._turns: dict[int, float] = {}  # Serial to expiry, oldest first.
        self._undecided: dict[int, float] = {}  # Serial to when the turn was given.
        self._serial = 0
        self._pace_s = FIRST_CALL_S  # From one call's end to the next while orders wait.
        self._ended_at_s = 0.0
        self._was_busy = False  # Turns were out when the latest call ended.
        self._calling: Waiting | None = None
        self._draining: Callable[[], None] | None = None
        self._not_before_s = 0.0
        self._called_at_s = 0.0
        self._is_watched = False

    def on_receive(self, message: Any) -> None:
        """Handle one message, then serve whoever is next."""
        match message:
            case Want():
                self._on_want(message)
            case Go():
                self._on_go(message)
            case Ask(asker=asker, line=line, call=call):
                self._lines.put(Waiting(line, asker, call, self.system.monotonic()))
            case Done():
                self._on_done(message)
            case "pump" | "expire" | "overdue":
                self._on_timer(message)
            case Drain(done=done):
                self._draining = done
            case _:
                msg = f"the broker actor cannot handle {type(message).__name__}"
                raise TypeError(msg)
        self._pump()

    def _on_timer(self, name: str) -> None:
        if name == "expire":
            self._expire_turns()
        elif name == "overdue":
            self._on_overdue()

    def _on_want(self, want: Want) -> None:
        if want.order not in self._wanting:
            self._wanting.add(want.order)
            self._serial += 1
            heappush(self._wants, (want.created_at, self._serial, want.order))

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
            go.order.tell(Outcome(go.call, error=_expired()))
        else:
            error = OutcomeUnknownError("the turn belongs to an earlier life of the broker actor")
            go.order.tell(Outcome(go.call, error=error))

    def _pump(self) -> None:
        self._serve()
        self._give_turns()
        if self._draining is not None and self._is_idle():
            done, self._draining = self._draining, None
            done()

    def _is_idle(self) -> bool:
        return self._calling is None and not self._turns and not self._lines.has(Line.NEW)

    def _give_turns(self) -> None:
        if self._draining is not None or not self._wants:
            return
        room = self._room()
        while self._wants and len(self._turns) < room:
            _, _, order = heappop(self._wants)
            self._wanting.discard(order)
            self._serial += 1
            if not self._turns:
                self.after(self._settings.turn_timeout_s, "expire", "expire")
            now_s = self.system.monotonic()
            self._turns[self._serial] = now_s + self._settings.turn_timeout_s
            self._undecided[self._serial] = now_s
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
        in_line = self._lines.serials()
        for serial, expires_s in list(self._turns.items()):
            if expires_s > now_s:
                break
            if serial not in in_line and not self._is_calling(serial):
                del self._turns[serial]
                self._undecided.pop(serial, None)
        if self._turns:
            next_s = max(0.1, next(iter(self._turns.values())) - now_s)
            self.after(next_s, "expire", "expire")

    def _is_calling(self, serial: int) -> bool:
        return self._calling is not None and self._calling.serial == serial

    def _serve(self) -> None:
        """Make the most urgent call, if no call is under way."""
        now_s = self.system.monotonic()
        if self._calling is not None or now_s < self._not_before_s:
            return
        for late in self._lines.drop_late(now_s):
            self._turns.pop(late.serial, None)
            late.asker.tell(Outcome(late.call, error=_expired()))
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
        self._calling = waiting
        self._called_at_s = now_s
        self._watch()
        self.call(waiting, _make_call, self._door, self._settings, waiting, self.system, keep=True)

    def _held_s(self, now_s: float) -> float:
        """Return how long the next new order waits for those before it, so that order is kept."""
        turn = self._lines.next_turn()
        if turn is None or not self._undecided:
            return 0.0
        first, given_s = next(iter(self._undecided.items()))
        return given_s + IN_ORDER_S - now_s if first < turn else 0.0

    def _on_done(self, done: Done) -> None:
        waiting: Waiting = done.tag
        if waiting is self._calling:
            self._calling = None
        if isinstance(done.value, _NotYet):
            self._lines.put_back(waiting)
            self._not_before_s = self.system.monotonic() + done.value.wait_s
            self.after(done.value.wait_s, "pump", "pump")
            return
        self._turns.pop(waiting.serial, None)
        assert isinstance(done.value, Outcome), f"the call ended with {done.error!r}"
        outcome = done.value
        self._note_pace(outcome)
        if isinstance(outcome.error, RateLimitedError):
            self._door.bucket.close_for(outcome.error.retry_after_s, self.system.monotonic())
            log.warning("broker.rate_limited", retry_after_s=outcome.error.retry_after_s)
        waiting.asker.tell(outcome)

    def _note_pace(self, outcome: Outcome) -> None:
        """Learn how fast orders go out: by the broker, or by the journal when that is slower."""
        now_s = self.system.monotonic()
        took_s = now_s - (self._ended_at_s if self._was_busy else outcome.asked_s)
        self._ended_at_s, self._was_busy = now_s, bool(self._turns)
        self._pace_s = 0.8 * self._pace_s + 0.2 * max(0.0001, took_s)

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
        if self._calling is None:
            return
        left_s = self._called_at_s + self._longest_call_s() - self.system.monotonic()
        if left_s > 0:
            self._is_watched = True
            self.after(left_s, "overdue", "overdue")
            return
        self._give_up(f"A {type(self._calling.call).__name__}")

    def _give_up(self, what: str) -> None:
        """Stop the engine: nobody knows what a call that hangs will still do."""
        self._door.fatal(OutcomeUnknownError(f"{what} call to the broker does not return"))


def _expired() -> WithheldError:
    return WithheldError(
        "its time to be sent had passed; it waits for another turn", retry_after_s=0.0
    )


def _make_call(door: Door, settings: Settings, waiting: Waiting, system: Any) -> Outcome | _NotYet:
    """Look once more, take a permit, and call the gateway; runs off the actor.

    The guard comes before the permit, because a slow look would let permits bunch up; ``send_by``
    comes last, because the rest takes time.
    """
    call = waiting.call
    try:
        if isinstance(call, Place):
            _look(door)
        wait_s = door.bucket.take(system.monotonic())
        if wait_s > 0:
            return _NotYet(wait_s)
        return _call(door, settings, waiting, system)
    except WithheldError as error:
        return Outcome(call, None, error, system.monotonic())
    finally:
        door.slot.release()


def _look(door: Door) -> None:
    """Ask the guard; a look that cannot be taken is a no."""
    try:
        door.guard.check()
    except Exception as error:  # Whatever kept it from saying yes, nothing may be sent.
        raise WithheldError(error_text(error), retry_after_s=1.0) from error


def _call(door: Door, settings: Settings, waiting: Waiting, system: Any) -> Outcome:
    call, asked_s = waiting.call, system.monotonic()
    if isinstance(call, Place) and asked_s >= call.send_by_s:
        return Outcome(call, None, _expired(), asked_s)
    quiet_s = door.slot.quiet_s(call.client_order_id, asked_s) if isinstance(call, LookUp) else 0.0
    value: Any = None
    error: Exception | None = None
    try:
        value = _through(door.gateway, settings, call)
    except Exception as failure:  # noqa: BLE001 - the thread's root: every error is an answer.
        error = failure
    if isinstance(call, Place):
        door.slot.note_placed(call.request.client_order_id, system.monotonic())
    return Outcome(call, value, error, asked_s, asked_s - waiting.since_s, quiet_s)


def _through(gateway: BrokerGateway, settings: Settings, call: BrokerCall) -> Any:
    account_id = settings.account_id
    match call:
        case Place(request=request):
            return gateway.place_order(account_id, request)
        case CancelAtBroker(ref=ref, request_id=request_id):
            return gateway.cancel_order(account_id, ref, request_id)
        case LookUp():
            return call.through(gateway, account_id)
        case ListOrders(since=since):
            return gateway.list_orders(account_id, since)
        case ListFills(since=since):
            return gateway.list_fills(account_id, since)
        case ListPositions():
            return gateway.list_positions(account_id)
        case _:
            assert_never(call)
