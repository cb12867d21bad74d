"""Orders in every state, for tests: one factory, by the events that lead there."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from domain.events import (
    Accepted,
    Anomaly,
    CancelEnded,
    Cancelled,
    CancelOutcome,
    CancelRequested,
    CancelStarted,
    Expired,
    Failed,
    Filled,
    Flagged,
    LookedUp,
    OrderCreated,
    Overdue,
    Proof,
    Rejected,
    Resolved,
    Restated,
    Source,
    StandingChanged,
    SubmitDoubted,
    SubmitFailed,
    SubmitStarted,
)
from domain.ids import client_order_id
from domain.lifecycle import decide
from domain.order import evolve
from domain.signal import Signal, signal_digest
from domain.terms import (
    AccountId,
    BrokerOrderId,
    ExecId,
    OrderStatus,
    Side,
    SignalId,
    Standing,
    Symbol,
    Verdict,
)

NOW = datetime(2026, 3, 2, 0, 30, tzinfo=UTC)
DAY = date(2026, 3, 2)
B1, B2 = BrokerOrderId("0000000001"), BrokerOrderId("0000000002")


def a_signal(**changes):
    values = {
        "signal_id": SignalId("s-1"),
        "account_id": AccountId("paper"),
        "symbol": Symbol("005930"),
        "side": Side.BUY,
        "order_qty": Decimal(100),
    }
    return Signal(**(values | changes))


def created(signal=None):
    signal = signal or a_signal()
    return OrderCreated(
        client_order_id=client_order_id(signal.account_id, signal.signal_id),
        signal=signal,
        digest=signal_digest(signal),
        deadline=NOW + timedelta(seconds=30),
        at=NOW,
    )


def started(attempt=1):
    return SubmitStarted(attempt=attempt, since=NOW, send_by=NOW + timedelta(seconds=2))


def not_sent(attempt=1, retry_in_s=1.0, is_counted=True):
    return SubmitFailed(
        attempt=attempt,
        proof=Proof.NOT_SENT,
        reason="connect timeout",
        is_counted=is_counted,
        retry_in_s=retry_in_s,
        at=NOW,
    )


def doubted(attempt=1):
    return SubmitDoubted(attempt=attempt, reason="read timeout", at=NOW)


def looked_up():
    return LookedUp(is_settled=False, is_complete=True, reason="not there yet", at=NOW)


def accepted(broker_order_id=B1):
    return Accepted(broker_order_id=broker_order_id, trade_date=DAY, source=Source.ANSWER, at=NOW)


def filled(qty=100, exec_id="1", broker_order_id=B1, px=70_000):
    return Filled(
        broker_order_id=broker_order_id,
        trade_date=DAY,
        exec_id=ExecId(exec_id),
        last_qty=Decimal(qty),
        last_px=Decimal(px),
        commission=Decimal(10),
        tax=Decimal(0),
        is_fee_from_broker=True,
        transact_time=NOW,
        source=Source.STREAM,
        at=NOW,
    )


def changed(qty, exec_id, exec_ref_id, **changes):
    """Return what becomes of an execution that was told before; of 0, nothing is left of it."""
    return replace(filled(qty, exec_id, **changes), exec_ref_id=ExecId(exec_ref_id))


def restated(order_qty=90):
    return Restated(order_qty=Decimal(order_qty), limit_px=None, reason="declined in part", at=NOW)


def standing(standing=Standing.SUSPENDED):
    return StandingChanged(standing=standing, reason="a trading halt", at=NOW)


def cancel_requested():
    return CancelRequested(reason="changed my mind", requested_by="trader", at=NOW)


def cancel_started(number=1):
    return CancelStarted(number=number, request_id="c" * 20, at=NOW)


def cancel_ended(outcome=CancelOutcome.ACKNOWLEDGED, number=1):
    return CancelEnded(number=number, outcome=outcome, reason="because", at=NOW)


def cancelled():
    return Cancelled(reason="cancelled", at=NOW)


def expired():
    return Expired(reason="the session closed", at=NOW)


def rejected():
    return Rejected(reason="not tradable", code="40070000", at=NOW)


def failed():
    return Failed(rule="deadline", reason="too late", at=NOW)


def overdue():
    return Overdue(open_for_s=60.0, at=NOW)


def flagged():
    return Flagged(anomaly=Anomaly.UNEXPECTED_END, detail="why", at=NOW)


def resolved(verdict=Verdict.ABSENT):
    return Resolved(
        verdict=verdict,
        broker_order_id=None,
        trade_date=None,
        reason="asked by telephone",
        requested_by="trader",
        at=NOW,
    )


S = OrderStatus
PATHS = {
    "pending": (S.PENDING, ()),
    "pending with a cancel": (S.PENDING, (cancel_requested(),)),
    "waiting to retry": (S.PENDING, (started(), not_sent())),
    "being sent": (S.SUBMITTED, (started(),)),
    "being sent with a cancel": (S.SUBMITTED, (started(), cancel_requested())),
    "working": (S.SUBMITTED, (started(), accepted())),
    "working with a cancel out": (
        S.SUBMITTED,
        (started(), accepted(), cancel_requested(), cancel_started()),
    ),
    "working with a cancel acknowledged": (
        S.SUBMITTED,
        (started(), accepted(), cancel_requested(), cancel_started(), cancel_ended()),
    ),
    "in doubt": (S.IN_DOUBT, (started(), doubted())),
    "in doubt with a cancel": (S.IN_DOUBT, (started(), doubted(), cancel_requested())),
    "partly filled": (S.PARTIAL, (started(), accepted(), filled(40))),
    "corrected": (S.PARTIAL, (started(), accepted(), filled(), changed(60, "c1", "1"))),
    "restated": (S.PARTIAL, (started(), accepted(), filled(40), restated())),
    "suspended": (S.SUBMITTED, (started(), accepted(), standing())),
    "filled": (S.FILLED, (started(), accepted(), filled())),
    "filled by a restatement": (S.FILLED, (started(), accepted(), filled(40), restated(40))),
    "filled after a cancel": (S.FILLED, (started(), accepted(), cancelled(), filled())),
    "filled after its day": (S.FILLED, (started(), accepted(), expired(), filled())),
    "cancelled": (S.CANCELLED, (started(), accepted(), cancelled())),
    "cancelled after a part": (S.CANCELLED, (started(), accepted(), filled(40), cancelled())),
    "cancelled unsent": (S.CANCELLED, (cancel_requested(), cancelled())),
    "expired": (S.EXPIRED, (started(), accepted(), expired())),
    "rejected": (S.REJECTED, (started(), rejected())),
    "rejected later": (S.REJECTED, (started(), accepted(), rejected())),
    "failed": (S.FAILED, (failed(),)),
}

EVENTS = {
    "created": created(),
    "started": started(),
    "started 2": started(2),
    "not sent": not_sent(),
    "not sent, last": not_sent(retry_in_s=None),
    "doubted": doubted(),
    "looked up": looked_up(),
    "accepted": accepted(),
    "accepted as another": accepted(B2),
    "filled": filled(60, "2"),
    "filled whole": filled(100, "3"),
    "filled again": filled(40),
    "filled as another": filled(60, "1", B2),
    "busted": filled(-40, "b1"),
    "busted whole": filled(-100, "b2"),
    "busted as another": filled(-40, "b1", B2),
    "busted by its id": changed(0, "h1", "1"),
    "busted in part": changed(-10, "h2", "1"),
    "corrected": changed(50, "g1", "1", px=69_000),
    "corrected, naming another": changed(70, "g2", "2"),
    "restated": restated(),
    "restated to the part": restated(40),
    "restated to more": restated(200),
    "restated to nothing": restated(0),
    "suspended": standing(),
    "working again": standing(Standing.WORKING),
    "cancel requested": cancel_requested(),
    "cancel started": cancel_started(),
    "cancel started 2": cancel_started(2),
    "cancel acknowledged": cancel_ended(),
    "cancel refused": cancel_ended(CancelOutcome.REFUSED),
    "cancel unknown": cancel_ended(CancelOutcome.UNKNOWN),
    "cancelled": cancelled(),
    "expired": expired(),
    "rejected": rejected(),
    "failed": failed(),
    "overdue": overdue(),
    "flagged": flagged(),
    "resolved": resolved(),
}


def an_order(path="pending", signal=None):
    """Return the order that the events of ``path`` lead to."""
    order = evolve(None, created(signal))
    for event in PATHS[path][1]:
        order, _ = decide(order, event)
    return order
