"""How an order begins: from a signal that was admitted, with the risk check behind it."""

from dataclasses import dataclass, field
from datetime import datetime

from actors.handoff import Handoff
from actors.messages import Reply
from actors.runtime import Ref
from domain.events import Failed, OrderCreated, OrderEvent
from domain.order import Order, evolve
from domain.risk import check_risk
from domain.settings import Settings
from domain.signal import Signal
from domain.terms import ClientOrderId


@dataclass(slots=True)
class Creating:
    """An order on its way into the journal, and who waits for it.

    Attributes:
        given: Its actor, which has begun, and what that has to begin with; None for an order that
            ends where it begins.
        others: Told meanwhile under the same id with other content. Only what is durable decides
            which of them conflicts, so they are read when this has been written, or has not.
    """

    order: Order
    replies: list[Reply | None] = field(default_factory=list)
    given: tuple[Ref, Handoff] | None = None
    others: list[tuple[Signal, Reply | None]] = field(default_factory=list)


def opened(
    signal: Signal, known: ClientOrderId, digest: str, settings: Settings, now: datetime
) -> tuple[tuple[OrderEvent, ...], Order]:
    """Return the first events of the order, and the order with them; refused by risk it ends."""
    created = OrderCreated(
        client_order_id=known,
        signal=signal,
        digest=digest,
        deadline=signal.deadline or now + settings.signal_deadline,
        at=now,
    )
    order = evolve(None, created)
    refusal = check_risk(signal, settings.instruments.get(signal.symbol), settings.risk)
    if refusal is None:
        return (created,), order
    failed = Failed(rule="risk", reason=refusal, at=now)
    return (created, failed), evolve(order, failed)
