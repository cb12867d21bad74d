"""Where an event may stand and what it may be published as: what no hash of a row can tell."""

from collections.abc import Mapping
from typing import Any, Final

from domain import events as e
from domain.halt import Halted, Resumed
from domain.position import PositionChanged
from infra.store.halt_rows import HALTS
from infra.store.queries import ORDER_STREAM

BOOK_STREAM: Final = "position/"

_ENGINE: Final = "engine"
_HOMES: Final[Mapping[type, str]] = {
    **dict.fromkeys(e.ORDER_EVENTS, ORDER_STREAM),
    PositionChanged: BOOK_STREAM,
    e.SignalRefused: "signal",
    e.EngineStarted: _ENGINE,
    e.EngineStopped: _ENGINE,
    e.Quarantined: _ENGINE,
    e.ReconcileBroke: _ENGINE,
    Halted: HALTS,
    Resumed: HALTS,
}

# Names stay when they are retired: older journals hold them.
_TOPICS: Final[Mapping[type, frozenset[str]]] = {
    kind: frozenset(names.split())
    for kind, names in {
        e.OrderCreated: "order.created",
        e.SubmitStarted: "order.submitted",
        e.SubmitFailed: "order.retry",
        e.SubmitDoubted: "order.in_doubt",
        e.LookedUp: "order.looked_up",
        e.Accepted: "order.accepted",
        e.Filled: "order.partial order.filled order.late_fill",
        e.CancelRequested: "order.cancel_requested",
        e.CancelStarted: "order.cancel_sent",
        e.CancelEnded: "order.cancel_refused",
        e.Cancelled: "order.cancelled",
        e.Expired: "order.expired",
        e.Rejected: "order.rejected",
        e.Failed: "order.failed",
        e.Restated: "order.restated",
        e.StandingChanged: "order.working order.stopped order.suspended",
        e.Overdue: "order.overdue",
        e.Flagged: "order.flagged",
        e.Resolved: "order.resolved",
        PositionChanged: "position.opened position.closed position.changed pnl.daily",
        e.SignalRefused: "signal.refused",
        e.EngineStarted: "engine.started",
        e.EngineStopped: "engine.stopped",
        e.Quarantined: "engine.quarantined",
        e.ReconcileBroke: "reconcile.break",
        Halted: "trading.halted",
        Resumed: "trading.resumed",
    }.items()
}
_BUSTED: Final = frozenset({"order.busted"})


def is_at_home(event: Any, stream: str) -> bool:
    """Return whether the event may stand in that stream."""
    home = _HOMES[type(event)]
    return stream.startswith(home) if home.endswith("/") else stream == home


def has_topics(event: Any, topics: Any) -> bool:
    """Return whether the event may be published as that, or not at all."""
    is_bust = isinstance(event, e.Filled) and event.last_qty < 0
    names = _BUSTED if is_bust else _TOPICS[type(event)]
    return isinstance(topics, str) and (not topics or names.issuperset(topics.split(" ")))
