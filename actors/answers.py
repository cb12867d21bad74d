"""From a broker's answer to what it means for the order. Pure: no message, no timer."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from actors.errors import WithheldError
from actors.messages import Outcome, Place
from domain.broker import Absent, BrokerFill, BrokerOrder, Found, PlaceAck
from domain.errors import NotSentError, RateLimitedError, RefusedError
from domain.events import (
    Accepted,
    Anomaly,
    CancelEnded,
    CancelOutcome,
    Failed,
    Filled,
    Flagged,
    LookedUp,
    OrderEvent,
    Proof,
    Rejected,
    Source,
    SubmitDoubted,
    SubmitFailed,
)
from domain.fees import charges
from domain.lifecycle import reports_in
from domain.order import Order
from domain.settings import Settings

# The broker knows our id already: an earlier attempt got through. Look it up.
DUPLICATE = "DUPLICATE"
_DECIDE = "compare it with the broker's list, then resolve the order"


@dataclass(frozen=True, slots=True)
class Look:
    """Orders at the broker that look like ours and are bound to none of ours.

    Attributes:
        since: Placed since ours was sent: each may be it.
        before: Placed earlier, as far as the clocks can tell: none is it, unless a clock is wrong.
    """

    since: tuple[BrokerOrder, ...] = ()
    before: tuple[BrokerOrder, ...] = ()


@dataclass(frozen=True, slots=True)
class Answers:
    """Reads answers with the engine's settings, as of ``now``."""

    settings: Settings
    next_wait: Callable[[int, str], float | None]
    now: datetime
    is_strict: bool = False

    def to_placement(self, order: Order, outcome: Outcome) -> tuple[OrderEvent, ...]:
        """Return what the outcome of a placement means."""
        assert isinstance(outcome.call, Place), "only placements are read here"
        attempt, error, at = outcome.call.attempt, outcome.error, self.now
        match error:
            case None:
                return self._accepted(outcome.value)
            case RefusedError() if error.code != DUPLICATE:
                return (Rejected(reason=str(error), code=error.code, at=at),)
            case RateLimitedError():
                return (self._uncounted(attempt, Proof.RATE_LIMITED, error),)
            case WithheldError():
                proof = Proof.HELD if error.is_held else Proof.EXPIRED
                return (self._uncounted(attempt, proof, error),)
            case NotSentError():
                return self.failed(order, attempt, Proof.NOT_SENT, str(error))
            case _:
                is_known = isinstance(error, RefusedError)
                doubted = SubmitDoubted(
                    attempt=attempt, reason=_text(error), at=at, is_known_there=is_known
                )
                return (doubted,)

    def to_lookup(
        self, order: Order, outcome: Outcome, *, is_settled: bool
    ) -> tuple[OrderEvent, ...]:
        """Return what a lookup of an order in doubt means; only settled absence is a no."""
        placement = order.placement
        assert placement is not None, "only an order in doubt is looked up"
        match outcome.value:
            case Found(order=found):
                return reports_in(order, found, Source.LOOKUP, self.now)
            case Absent(is_complete=True) if is_settled:
                return self.absent(order)
            case Absent(is_complete=is_complete):
                reason = "the broker shows no such order yet; asking again"
            case _:
                is_complete = False
                reason = f"the lookup failed: {_text(outcome.error)}"
        looked = LookedUp(
            is_settled=is_settled, is_complete=is_complete, reason=reason, at=self.now
        )
        return (looked,)

    def to_look(
        self, order: Order, look: Look, *, is_settled: bool, is_complete: bool
    ) -> tuple[OrderEvent, ...]:
        """Return what a look at all orders means for one in doubt, which has no id there.

        The only one there is it; of several none is: a person says which. One of earlier counts
        as well, for a clock may be wrong.
        """
        numbers = ", ".join(news.broker_order_id for news in (*look.since, *look.before))
        if not is_complete:
            reason = "the broker showed only a part of its orders; asking again"
            return self._looked(order, reason, is_settled=is_settled, is_complete=False)
        match look.since:
            case (found,) if not look.before:
                return reports_in(order, found, Source.LOOK, self.now)
            case ():
                if not is_settled:
                    reason = "the broker shows no such order yet; asking again"
                    return self._looked(order, reason, is_settled=False, is_complete=True)
                if not look.before:
                    return self.absent(order)
                reason = f"only {numbers} looks like it, placed before it was sent; {_DECIDE}"
                return self._flagged(order, Anomaly.NOT_FOUND, reason)
            case _:
                reason = f"{numbers} look like it and are nobody else's; {_DECIDE}"
                return self._flagged(order, Anomaly.SEVERAL_MATCH, reason, is_settled=is_settled)

    def absent(self, order: Order) -> tuple[OrderEvent, ...]:
        """Return what settled absence means: the next attempt, or a question to a person."""
        placement = order.placement
        assert placement is not None, "only an order in doubt can be absent"
        if placement.is_known_there:
            reason = f"the broker says that it has our id, and does not show the order; {_DECIDE}"
            return self._flagged(order, Anomaly.KNOWN_BUT_ABSENT, reason)
        if self.is_strict:
            reason = f"the broker shows no such order, settled; {_DECIDE}"
            return self._flagged(order, Anomaly.NOT_FOUND, reason)
        reason = f"{placement.doubt}; the broker does not have the order"
        return self.failed(order, placement.attempt, Proof.ABSENT, reason)

    def _flagged(
        self, order: Order, anomaly: Anomaly, reason: str, *, is_settled: bool = True
    ) -> tuple[OrderEvent, ...]:
        flag = Flagged(anomaly=anomaly, detail=reason, at=self.now)
        looked = self._looked(order, reason, is_settled=is_settled, is_complete=True)
        return (*looked, flag)

    def _looked(
        self, order: Order, reason: str, *, is_settled: bool, is_complete: bool
    ) -> tuple[OrderEvent, ...]:
        """Return the look as an event; what has been said before is not said again and again."""
        if order.last_reason == reason:
            return ()
        looked = LookedUp(
            is_settled=is_settled, is_complete=is_complete, reason=reason, at=self.now
        )
        return (looked,)

    def to_cancel(self, outcome: Outcome, number: int) -> CancelEnded:
        """Return how a cancel request ended; by itself it proves nothing about the order."""
        match outcome.error:
            case None:
                result, reason = CancelOutcome.ACKNOWLEDGED, ""
            case RefusedError():
                result, reason = CancelOutcome.REFUSED, str(outcome.error)
            case NotSentError() | RateLimitedError():
                result, reason = CancelOutcome.NOT_SENT, str(outcome.error)
            case _:
                result, reason = CancelOutcome.UNKNOWN, _text(outcome.error)
        return CancelEnded(number=number, outcome=result, reason=reason, at=self.now)

    def filled(self, fill: BrokerFill, source: Source) -> Filled:
        """Return the execution with its fees: the broker's, else those of the market's table."""
        commission, tax = fill.commission, fill.tax
        is_from_broker = commission is not None and tax is not None
        if commission is None or tax is None:
            table = charges(
                self.settings.fees,
                self.settings.instruments.get(fill.symbol),
                side=fill.side,
                last_qty=abs(fill.last_qty),
                last_px=fill.last_px,
                trade_date=fill.trade_date,
                session=self.settings.session,
            )
            # What is withdrawn gives its fees back, rounded as they were charged.
            sign = -1 if fill.last_qty < 0 else 1
            commission = sign * table.commission if commission is None else commission
            tax = sign * table.tax if tax is None else tax
        return Filled(
            broker_order_id=fill.broker_order_id,
            trade_date=fill.trade_date,
            exec_id=fill.exec_id,
            last_qty=fill.last_qty,
            last_px=fill.last_px,
            commission=commission,
            tax=tax,
            is_fee_from_broker=is_from_broker,
            transact_time=fill.transact_time,
            source=source,
            at=self.now,
            exec_ref_id=fill.exec_ref_id,
        )

    def failed(
        self, order: Order, attempt: int, proof: Proof, reason: str
    ) -> tuple[OrderEvent, ...]:
        """Return the end of an attempt that is certain not to be an order, by retry policy."""
        wait_s = None if order.cancel is not None else self.next_wait(attempt, reason)
        failed = SubmitFailed(
            attempt=attempt,
            proof=proof,
            reason=reason,
            is_counted=True,
            retry_in_s=wait_s,
            at=self.now,
        )
        if wait_s is not None or order.cancel is not None:
            return (failed,)
        given_up = f"gave up after {attempt} attempts; the last: {reason}"
        return failed, Failed(rule="retries", reason=given_up, at=self.now)

    def _accepted(self, ack: PlaceAck) -> tuple[OrderEvent, ...]:
        accepted = Accepted(
            broker_order_id=ack.broker_order_id,
            trade_date=ack.trade_date,
            source=Source.ANSWER,
            at=self.now,
        )
        return (accepted, *(self.filled(fill, Source.ANSWER) for fill in ack.fills))

    def _uncounted(
        self, attempt: int, proof: Proof, error: RateLimitedError | WithheldError
    ) -> SubmitFailed:
        return SubmitFailed(
            attempt=attempt,
            proof=proof,
            reason=str(error),
            is_counted=False,
            retry_in_s=error.retry_after_s,
            at=self.now,
        )


def _text(error: Exception | None) -> str:
    return str(error) or type(error).__name__
