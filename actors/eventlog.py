"""One log line for every event, in journal order, with the words of the domain and nothing else."""

import logging

import structlog

from domain.journal import Record

log = structlog.get_logger()

# Plain values that say what happened; never a whole object.
SHOWN = (
    "attempt",
    "proof",
    "retry_in_s",
    "number",
    "outcome",
    "broker_order_id",
    "exec_id",
    "symbol",
    "last_qty",
    "last_px",
    "qty",
    "rule",
    "code",
    "field",
    "verdict",
    "requested_by",
    "reason",
    "anomaly",
    "detail",
    "subject",
)
WARNED = frozenset(
    {
        "order.retry",
        "order.in_doubt",
        "order.rejected",
        "order.failed",
        "order.flagged",
        "order.busted",
        "order.restated",
        "order.suspended",
        "order.stopped",
        "order.resolved",
        "order.overdue",
        "order.cancel_refused",
        "signal.refused",
        "reconcile.break",
        "engine.quarantined",
    }
)


def is_logged() -> bool:
    """Return whether anybody would see the lines; if not, nothing need be read for them."""
    return bool(log.is_enabled_for(logging.INFO))


def log_record(record: Record) -> None:
    """Log one event; what a person should look at is a warning."""
    shown = {
        name: str(value)
        for name in SHOWN
        if (value := getattr(record.event, name, None)) not in (None, "")
    }
    level = logging.WARNING if WARNED.intersection(record.topics) else logging.INFO
    log.log(
        level,
        "event.applied",
        seq=record.seq,
        stream=record.stream,
        kind=record.kind,
        topics=" ".join(record.topics),
        **shown,
    )
