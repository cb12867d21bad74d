"""Orders that were given leave, and those that have gone lately, as they were then."""

from dataclasses import dataclass, field

from actors.messages import FillSeen, OrderSeen
from actors.runtime import Ref
from domain.journal import StreamEvents
from domain.order import Order, evolve
from domain.terms import ClientOrderId

GONE_KEPT = 1000


@dataclass(slots=True)
class Leaving:
    """An order that was given leave; what comes for it meanwhile waits until it has gone."""

    order: Ref
    state: Order
    news: list[OrderSeen | FillSeen] = field(default_factory=list)


class Gone:
    """The latest orders that have gone.

    A broker tells of a day's orders again and again, and each would be read from the journal to
    see that nothing is new.
    """

    def __init__(self) -> None:
        self._orders: dict[ClientOrderId, Order] = {}

    def add(self, order: Order) -> None:
        """Keep an order of which all is durable, and which no actor changes any more."""
        self._orders[order.client_order_id] = order
        if len(self._orders) > GONE_KEPT:
            del self._orders[next(iter(self._orders))]

    def get(self, known: ClientOrderId) -> Order | None:
        """Return an order as it was when it left; None when only the journal knows."""
        return self._orders.get(known)

    def forget(self, known: ClientOrderId) -> None:
        """Let go of an order that has an actor again."""
        self._orders.pop(known, None)


def is_known(order: Order, seen: OrderSeen | FillSeen, *, has_totals: bool) -> bool:
    """Return whether an order that has ended has nothing to learn from the news."""
    if isinstance(seen, FillSeen):
        fill = seen.fill
        return order.has_fill((fill.broker_order_id, fill.trade_date, fill.exec_id))
    news = seen.order
    is_ours = news.broker_order_id == order.broker_order_id
    is_lower = has_totals and news.cum_qty < order.cum_qty
    return order.is_closed and is_ours and news.cum_qty <= order.cum_qty and not is_lower


def fold_stream(stream: StreamEvents) -> Order | None:
    """Return the order of a stream, None when the stream is empty."""
    order: Order | None = None
    for event in stream.events:
        order = evolve(order, event)
    return order
