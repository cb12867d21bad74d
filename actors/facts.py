"""One order's facts: loaded, decided on, journaled; what is due stands in ``actors.steps``."""

from actors.handoff import Handoff
from actors.machine import Effect, MachineActor
from actors.tools import OrderTools, Wait
from domain.events import OrderEvent
from domain.journal import LoadStream, Query, StreamEvents
from domain.lifecycle import Step, decide, next_step, topics_of
from domain.order import Order, evolve
from domain.terms import ClientOrderId


class OrderFacts(MachineActor[Order]):
    """Keeps the facts of one order and the stream that they come from."""

    def __init__(self, client_order_id: ClientOrderId, handoff: Handoff, tools: OrderTools) -> None:
        super().__init__(stream=f"order/{client_order_id}", journal=tools.journal)
        self._id = client_order_id
        self._handoff = handoff
        self._tools = tools

    def query(self) -> Query:
        """Ask for the order's own stream."""
        return LoadStream(stream=self._stream)

    def restore(self, answer: StreamEvents) -> Order:
        """Fold the stream."""
        order: Order | None = None
        for event in answer.events:
            order = evolve(order, event)
        assert order is not None, f"{self._stream} is empty"
        for wish in self._handoff.wishes:
            # An earlier life took it and did not live to answer.
            self.ref.tell(wish)
        return order

    def record(self, *events: OrderEvent, then: tuple[Effect, ...] = ()) -> bool:
        """Decide on ``events`` and journal what they come to; ``then`` follows the commit.

        Returns:
            False when all of it was known already: nothing is journaled, ``then`` is not done.
        """
        before, after = self.state, self.state
        recorded: list[OrderEvent] = []
        for event in events:
            after, kept = decide(after, event)
            recorded.extend(kept)
        if not recorded:
            if self.is_durable:
                self.proceed()
            return False
        topics = tuple(topics_of(event, after) for event in recorded)
        self.append(after, tuple(recorded), topics, version=before.version, then=then)
        return True

    def wait(self, seconds: float, what: Wait) -> None:
        """Come back to ``what`` later; one timer for each."""
        self.after(seconds, what, what)

    def step(self) -> Step:
        """Return what is due."""
        return next_step(self.state, max_cancel_requests=self._tools.settings.max_cancel_requests)
