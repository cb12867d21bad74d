"""What happens in the calls' own thread: the last looks, the permit, and the call itself.

Changing threads costs more than a fast broker's call, so several orders may be sent in one go.
Each is looked at, permitted and called by itself, and told how it went before the next.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, assert_never

from actors.errors import WithheldError
from actors.gate import passing
from actors.limits import CallSlot, RequestBucket
from actors.lines import Waiting, listed_since
from actors.messages import (
    BrokerCall,
    CancelAtBroker,
    Line,
    ListFills,
    ListOrders,
    ListPositions,
    LookUp,
    Outcome,
    Place,
)
from actors.runtime import System
from domain.broker import ENDED, BrokerState, Page
from domain.errors import RateLimitedError
from domain.ports import BrokerGateway, Guard
from domain.settings import Settings

# One go lasts no longer: a real broker's call takes that long by itself, and is alone in its go.
GO_S: Final = 0.002
# Listed whenever they changed last.
OPEN: Final = frozenset(BrokerState) - ENDED - {BrokerState.FILLED}


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
class Served:
    """What became of the calls of one go.

    Attributes:
        outcomes: Of the calls that were made or withheld, in their order; each asker knows.
        left: The calls that were not made; they stand in line again.
        wait_s: How long no permit is free, when that is why some are left.
    """

    outcomes: tuple[Outcome, ...]
    left: tuple[Waiting, ...]
    wait_s: float


def expired() -> WithheldError:
    """Return why an order is not sent whose time has passed."""
    return WithheldError(
        "its time to be sent had passed; it waits for another turn", retry_after_s=0.0
    )


def _recalled() -> WithheldError:
    return WithheldError("the broker has the order, or it has ended", retry_after_s=0.0)


def make_calls(door: Door, settings: Settings, calls: Sequence[Waiting], system: System) -> Served:
    """Make the calls one after the other, as far as time, limit and more urgent ones allow.

    Of lookups, several come only when one answer serves them all.
    """
    try:
        make = _list_once if len(calls) > 1 and calls[0].line is Line.LOOK_UP else _make_each
        return make(door, settings, calls, system)
    finally:
        door.slot.release()


def _make_each(door: Door, settings: Settings, calls: Sequence[Waiting], system: System) -> Served:
    outcomes: list[Outcome] = []
    wait_s = 0.0
    end_s = system.monotonic() + GO_S
    for waiting in calls:
        outcome = _make_call(door, settings, waiting, system)
        if not isinstance(outcome, Outcome):
            wait_s = outcome
            break
        outcomes.append(outcome)
        waiting.asker.tell(outcome)
        if _must_end(door, outcome) or system.monotonic() >= end_s:
            break
    return Served(tuple(outcomes), tuple(calls[len(outcomes) :]), wait_s)


def _list_once(door: Door, settings: Settings, looks: Sequence[Waiting], system: System) -> Served:
    """Ask once for all orders, and tell each what it would have been told alone."""
    sinces = [since for look in looks if (since := listed_since(look.call)) is not None]
    whole = replace(looks[0], call=ListOrders(min(sinces)))
    answer = _make_call(door, settings, whole, system)
    if not isinstance(answer, Outcome):
        return Served((), tuple(looks), answer)
    outcomes = tuple(
        _shared(door, look, answer, since) for look, since in zip(looks, sinces, strict=True)
    )
    for look, outcome in zip(looks, outcomes, strict=True):
        look.asker.tell(outcome)
    return Served(outcomes, (), 0.0)


def _shared(door: Door, look: Waiting, answer: Outcome, since: datetime) -> Outcome:
    value, asked_s = answer.value, answer.asked_s
    if isinstance(value, Page):
        shown = (one for one in value.items if one.state in OPEN or one.transact_time >= since)
        value = replace(value, items=tuple(shown))
    waited_s = asked_s - look.since_s
    return Outcome(
        look.call, value, answer.error, asked_s, waited_s, _quiet_s(door, look.call, asked_s)
    )


def _quiet_s(door: Door, call: BrokerCall, asked_s: float) -> float:
    return door.slot.quiet_s(call.client_order_id, asked_s) if isinstance(call, LookUp) else 0.0


def _must_end(door: Door, outcome: Outcome) -> bool:
    return door.slot.is_wanted or isinstance(outcome.error, RateLimitedError)


def _make_call(door: Door, settings: Settings, waiting: Waiting, system: System) -> Outcome | float:
    """Look once more, take a permit, and call; or return how long to wait for the permit.

    The guard comes before the permit, because a slow look would let permits bunch up; ``send_by``
    comes last, because the rest takes time. A halt waits until the call has ended.
    """
    call = waiting.call
    try:
        with passing(door.guard, call):
            wait_s = door.bucket.take(system.monotonic())
            return wait_s if wait_s > 0 else _call(door, settings, waiting, system)
    except WithheldError as error:
        return Outcome(call, None, error, system.monotonic())


def _call(door: Door, settings: Settings, waiting: Waiting, system: System) -> Outcome:
    call, asked_s = waiting.call, system.monotonic()
    if isinstance(call, Place) and asked_s >= call.send_by_s:
        return Outcome(call, None, expired(), asked_s)
    if isinstance(call, Place) and door.slot.is_recalled(call.request.client_order_id):
        return Outcome(call, None, _recalled(), asked_s)
    quiet_s = _quiet_s(door, call, asked_s)
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
