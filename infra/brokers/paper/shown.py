"""What a broker without our ids, or without executions, leaves out of what it tells."""

from dataclasses import dataclass, replace

from domain.broker import BrokerFill, BrokerNews, BrokerOrder, FillNews, OrderNews
from domain.terms import ExecId


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Passes on what this broker tells. ``client_ids`` and ``exec_ids`` as in PaperSettings."""

    client_ids: bool
    exec_ids: bool

    def order(self, order: BrokerOrder) -> BrokerOrder:
        """Return the order as it is told."""
        amount = None if self.exec_ids else order.cum_amount
        if self.client_ids:
            return replace(order, cum_amount=amount)
        return replace(order, cum_amount=amount, client_order_id=None)

    def fill(self, fill: BrokerFill) -> BrokerFill:
        """Return the execution as it is told."""
        return fill if self.client_ids else replace(fill, client_order_id=None)

    def news(self, news: BrokerNews) -> BrokerNews:
        """Return a message of the stream as it is told."""
        match news:
            case OrderNews(order=order):
                return OrderNews(order=self.order(order))
            case FillNews(fill=fill):
                told = self.fill(fill)
                return FillNews(fill=told if self.exec_ids else replace(told, exec_id=_NONE))
            case _:
                return news


_NONE = ExecId("")
