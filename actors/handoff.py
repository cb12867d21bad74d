"""How an order comes into the hands of its actor, also before the order has been written down."""

from dataclasses import dataclass, field
from typing import Any

from actors.messages import CancelOrder, ResolveOrder
from actors.runtime import Ref
from domain.order import Order


class Handoff:
    """Carries an order to its actor's first life; later lives load the journal.

    Attributes:
        is_wanted: A turn was asked for already, so that orders go out as their signals came; where
            orders claim their looks, the claim is granted.
        creator: The life that is writing the order down; None when it has been written.
    """

    __slots__ = ("_order", "creator", "is_wanted", "wishes")

    def __init__(
        self,
        order: Order | None = None,
        *,
        is_wanted: bool = False,
        creator: int | None = None,
    ) -> None:
        self._order = order
        self.is_wanted = is_wanted
        self.creator = creator
        # Not answered yet; outlives a life of the actor.
        self.wishes: list[CancelOrder | ResolveOrder] = []

    def take(self) -> Order | None:
        """Return the order once, then None."""
        order, self._order = self._order, None
        return order


@dataclass(slots=True)
class Begun:
    """An actor whose order may not be written down; what is for its namesake there waits."""

    order: Ref
    waiting: list[tuple[Order, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class NotWritten:
    """The order that was handed over so has not been written down: there is another of its id."""

    handoff: Handoff


@dataclass(frozen=True, slots=True)
class Unwant:
    """An order takes back its Want, and the turn that it may have been given."""

    order: Ref
