"""Fills that are known only as totals: booked when they grow, withdrawn when they stay lower.

A total that cannot be is flagged and changes nothing until the broker tells one that can be.
"""

from actors.cancels import WANT_AGAIN_S
from actors.handoff import Handoff
from actors.looks import OrderLooks
from actors.messages import Ask, Line, ListOrders, Outcome
from actors.tools import OrderTools, Wait
from domain.broker import BrokerOrder, Page
from domain.events import Accepted, Anomaly, Flagged, OrderEvent, Source
from domain.journal import StreamEvents
from domain.lifecycle import decide, reports_in
from domain.order import Order
from domain.terms import ZERO, ClientOrderId
from domain.totals import total_fault, total_fills

# More than 2V: a moment later is enough.
LATER_S = 0.05


class OrderTotals(OrderLooks):
    """Reads what the broker tells about its order."""

    def __init__(self, client_order_id: ClientOrderId, handoff: Handoff, tools: OrderTools) -> None:
        super().__init__(client_order_id, handoff, tools)
        self._lower_since_s: float | None = None  # The broker's total is below what we booked.

    def restore(self, answer: StreamEvents) -> Order:
        """Fold the stream; an order that had ended is woken by news, perhaps of a lower total."""
        order = super().restore(answer)
        if order.is_closed and order.broker_order_id is not None and self._has_totals:
            self._suspect()
        return order

    def is_checking(self) -> bool:
        """Return whether a lower total is being watched."""
        return self._lower_since_s is not None

    def on_seen(self, news: BrokerOrder, source: Source) -> None:
        """Take the broker's word on the order."""
        if self._has_totals and self._is_lower(news):
            self._suspect()
            self.record(*reports_in(self.state, news, source, self.system.now()))
            return
        if self._is_ours(news) and not total_fault(self.state, news):
            self._trust()
        self.record(*self._reports(news, source))

    def ask_total(self) -> None:
        """Ask the broker for the total once more."""
        self._tools.to.broker(Ask(self.ref, Line.LOOK_UP, ListOrders(self.seen_since())))
        self.wait(WANT_AGAIN_S, Wait.TOTAL)

    def on_total(self, outcome: Outcome) -> None:
        """Withdraw what the broker has not counted for longer than it may hide it."""
        if self._lower_since_s is None:
            return
        shown = outcome.value.items if isinstance(outcome.value, Page) else ()
        news = next((news for news in shown if self._is_ours(news)), None)
        if news is None:
            self.wait(WANT_AGAIN_S, Wait.TOTAL)
            return
        if self._is_lower(news) and outcome.asked_s - self._lower_since_s <= self._hidden_s:
            self.wait(self._patience_s, Wait.TOTAL)
            return
        if total_fault(self.state, news):
            self.wait(self._patience_s, Wait.TOTAL)
        else:
            self._trust()
        self.record(*self._reports(news, Source.POLL))

    @property
    def _has_totals(self) -> bool:
        return not self._tools.broker.has_exec_ids

    @property
    def _hidden_s(self) -> float:
        return 2 * self._tools.settings.timing.longest_hidden_s

    @property
    def _patience_s(self) -> float:
        return self._hidden_s + LATER_S

    def _suspect(self) -> None:
        if self._lower_since_s is None:
            self._lower_since_s = self.system.monotonic()
            self.wait(self._patience_s, Wait.TOTAL)

    def _trust(self) -> None:
        if self._lower_since_s is not None:
            self._lower_since_s = None
            self.cancel_timer(Wait.TOTAL)

    def _is_ours(self, news: BrokerOrder) -> bool:
        order = self.state
        return (news.broker_order_id, news.trade_date) == (order.broker_order_id, order.trade_date)

    def _is_lower(self, news: BrokerOrder) -> bool:
        if not self._is_ours(news) or total_fault(self.state, news):
            return False
        return any(fill.last_qty < ZERO for fill in total_fills(self.state, news))

    def _reports(self, news: BrokerOrder, source: Source) -> tuple[OrderEvent, ...]:
        """Return what the news means; totals are booked first, so that no end comes too early."""
        at = self.system.now()
        if not self._has_totals:
            return reports_in(self.state, news, source, at)
        accepted = Accepted(
            broker_order_id=news.broker_order_id, trade_date=news.trade_date, source=source, at=at
        )
        if fault := total_fault(self.state, news):
            # Neither is an end believed: how much was filled before it is not known.
            return accepted, Flagged(anomaly=Anomaly.IMPOSSIBLE_TOTAL, detail=fault, at=at)
        fills = (self.answers.filled(f, source) for f in total_fills(self.state, news))
        events: tuple[OrderEvent, ...] = (accepted, *fills)
        after = self.state
        for event in events:
            after, _ = decide(after, event)
        return (*events, *reports_in(after, news, source, at))
