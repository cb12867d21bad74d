"""A venue that does what it likes: the paper broker, told otherwise where a test says so."""

from dataclasses import replace

from domain.broker import FillNews, OrderNews
from domain.errors import RefusedError
from domain.terms import ExecId
from infra.store.audit import verify
from infra.store.reading import open_reader
from tests.unit.actors.rigs import NotedDesk, a_broker_fill


class Venue:
    """Passes calls on; what is told about orders, executions and cancels is as it was set.

    Attributes:
        changes: Fields of every order that are told otherwise.
        fills: Executions that are told beside those of the paper broker.
        refusal: What every cancel is answered with; None takes them.
    """

    def __init__(self, gateway):
        self._gateway = gateway
        self.changes = {}
        self.fills = []
        self.refusal = None

    def __getattr__(self, name):
        return getattr(self._gateway, name)

    def list_orders(self, *args):
        page = self._gateway.list_orders(*args)
        return replace(page, items=tuple(replace(one, **self.changes) for one in page.items))

    def list_fills(self, *args):
        page = self._gateway.list_fills(*args)
        return replace(page, items=(*page.items, *self.fills))

    def cancel_order(self, *args):
        if self.refusal is not None:
            self._gateway.calls.append((0.0, "cancel_order", args))
            raise RefusedError(self.refusal, code="1")
        return self._gateway.cancel_order(*args)


class VenueDesk(NotedDesk):
    """A desk at such a venue."""

    def open_gateway(self, clock, scheduler, faults):
        return Venue(super().open_gateway(clock, scheduler, faults))

    def execute(self, qty, exec_id="x1", **changes):
        """Tell an execution of the order, by the stream and from then on whenever asked."""
        order = self.order()
        values = {
            "broker_order_id": order.broker_order_id,
            "trade_date": order.trade_date,
            "exec_id": ExecId(exec_id),
            "last_qty": qty,
        }
        fill = a_broker_fill(order.client_order_id, **(values | changes))
        self.gateway.fills.append(fill)
        self.gateway.stream.publish(FillNews(fill=fill))
        return fill

    def say(self, **changes):
        """Tell the order as it is at the broker, changed, by the stream."""
        told = replace(self.ledger().orders[-1], **changes)
        self.gateway.stream.publish(OrderNews(order=told))

    def anomalies(self):
        return [event.anomaly.value for event in self.events("Flagged")]

    def is_sound(self):
        """Return whether the store agrees with itself."""
        with open_reader(self.path) as reader:
            return verify(reader).ok

    def row(self):
        """Return the order as the screens read it."""
        with open_reader(self.path) as reader:
            return next(iter(reader.orders()))
