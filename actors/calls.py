"""What happens in the calls' own thread: the last looks, the permit, and the call itself.

Changing threads costs more than a fast broker's call, so several orders may be sent in one go.
Each is looked at, permitted and called by itself, and told how it went before the next.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

from actors.errors import WithheldError
from actors.gate import passing
from actors.limits import CallSlot, RequestBucket
from actors.lines import Waiting
from actors.messages import (
    BrokerCall,
    CancelAtBroker,
    ListFills,
    ListOrders,
    ListPositions,
    LookUp,
    Outcome,
    Place,
)
from actors.runtime import System
from domain.errors import RateLimitedError
from domain.ports import BrokerGateway, Guard
from domain.settings import Settings

# One go lasts no longer: a real broker's call takes that long by itself, and is alone in its go.
GO_S: Final = 0.002


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
    """Make the calls one after the other, as far as time, limit and more urgent ones allow."""
    outcomes: list[Outcome] = []
    wait_s = 0.0
    end_s = system.monotonic() + GO_S
    try:
        for waiting in calls:
            outcome = _make_call(door, settings, waiting, system)
            if not isinstance(outcome, Outcome):
                wait_s = outcome
                break
            outcomes.append(outcome)
            waiting.asker.tell(outcome)
            if _must_end(door, outcome) or system.monotonic() >= end_s:
                break
    finally:
        door.slot.release()
    return Served(tuple(outcomes), tuple(calls[len(outcomes) :]), wait_s)


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
