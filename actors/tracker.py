"""Follows all open orders of the account with one bulk query; the stream is a hint beside it.

It owns nothing that cannot be asked for again: what the broker says goes to the executor, which
knows whose it is. Polls are fast after activity, slower when idle, and none while nothing is open.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import structlog

from actors.messages import (
    Ask,
    CompareBook,
    Differences,
    FillSeen,
    Follow,
    Inquiry,
    Line,
    ListFills,
    ListOrders,
    ListPositions,
    Nudge,
    OrderSeen,
    Outcome,
    Reconcile,
    Unfollow,
)
from actors.runtime import Actor
from domain.broker import (
    ENDED,
    BrokerCapabilities,
    BrokerFill,
    BrokerOrder,
    BrokerState,
    FillNews,
    OrderNews,
    Page,
    StreamGap,
)
from domain.events import Source
from domain.settings import Settings
from domain.terms import ZERO, ClientOrderId

log = structlog.get_logger()

ACTIVE_FOR_S = 10.0
OVERLAP = timedelta(seconds=10)
ASK_AGAIN_S = 15.0
NUDGE_S = 0.05

OrderKey = tuple[date, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerNeighbours:
    """Whom the tracker tells what."""

    broker: Callable[[Any], None]
    executor: Callable[[Any], None]
    position: Callable[[Any], None]


class TrackerActor(Actor):
    """Asks what happened to the orders at the broker, and tells what is new."""

    def __init__(
        self,
        settings: Settings,
        to: TrackerNeighbours,
        broker: BrokerCapabilities,
        followed: dict[ClientOrderId, Follow],
    ) -> None:
        super().__init__()
        self._settings = settings
        self._to = to
        self._followed = followed  # Outlives a life: orders say it once.
        self._numbers = {follow.number for follow in followed.values()}
        self._has_fills = broker.has_exec_ids
        # Without ids or executions the stream cannot say whose it is, or count.
        self._is_stream_hint = not (broker.carries_client_ids and broker.has_exec_ids)
        self._is_whole = True
        self._known: dict[OrderKey, tuple[BrokerState, Decimal]] = {}
        self._filled: dict[OrderKey, Decimal] = {}
        self._counted: dict[tuple[date, str, str], Decimal] = {}  # What stands of each.
        self._asking: Inquiry | None = None
        self._held: tuple[BrokerOrder, ...] = ()  # Told when the fills they count have been.
        self._asked_at: datetime | None = None
        self._told_until: datetime | None = None
        self._active_until_s = 0.0
        self._reconcile_at_s = 0.0
        self._nudged = False
        self._is_full = False
        # Who asked for a full look: those of the next one, and of the one under way.
        self._wanted: list[Callable[[Differences], None]] = []
        self._promised: list[Callable[[Differences], None]] = []

    def on_start(self) -> None:
        """Compare everything once; orders that are open ask to be followed by themselves."""
        self._told_until = None
        self._poll()

    def on_receive(self, message: Any) -> None:
        """Handle one message."""
        match message:
            case Follow():
                self._follow(message)
            case Unfollow(client_order_id=order):
                gone = self._followed.pop(order, None)
                self._numbers.discard(None if gone is None else gone.number)
            case Nudge():
                self._touch()
            case Outcome():
                self._on_outcome(message)
            case "poll":
                self._poll()
            case "reconcile":
                self._touch()
            case "lost":
                self._asking = None
                self._poll()
            case _:
                self._on_news(message)

    def _follow(self, follow: Follow) -> None:
        if follow.is_again and follow.client_order_id in self._followed:
            return
        self._followed[follow.client_order_id] = follow
        self._numbers.add(follow.number)
        if self._told_until is not None and follow.since < self._told_until - OVERLAP:
            # What happened to it may lie before the next short look: take a full one.
            self._reconcile_at_s = 0.0
        self._touch()

    def _on_news(self, news: Any) -> None:
        match news:
            case FillNews() | OrderNews() if self._is_stream_hint:
                self._touch()
            case FillNews(fill=fill) if _is_change(fill):
                # It may overtake what it withdraws or corrects; the poll brings both.
                self._touch()
            case FillNews(fill=fill):
                self._tell_fill(fill, Source.STREAM)
            case OrderNews(order=order):
                if order.state in ENDED:
                    # The poll brings the end together with every fill before it.
                    self._touch()
                else:
                    self._to.executor(OrderSeen(order, Source.STREAM))
            case StreamGap() | Reconcile():
                log.info("tracker.full_look", cause=type(news).__name__)
                if isinstance(news, Reconcile) and news.done is not None:
                    self._wanted.append(news.done)
                self._forget()
                self._touch()
            case _:
                msg = f"the tracker cannot handle {type(news).__name__}"
                raise TypeError(msg)

    def _forget(self) -> None:
        """Begin again: what was told may not have arrived."""
        self._known.clear()
        self._filled.clear()
        self._counted.clear()
        self._told_until = None
        # Also when a short look is under way, which says until when all was told.
        self._reconcile_at_s = 0.0

    def _touch(self) -> None:
        """Something is happening: look soon, and often for a while."""
        self._active_until_s = self.system.monotonic() + ACTIVE_FOR_S
        if not self._nudged:
            self._nudged = True
            self.after(NUDGE_S, "poll", "poll")

    def _poll(self) -> None:
        is_nudged, self._nudged = self._nudged, False
        if self._asking is not None:
            # What was asked before the nudge may not show what it is about.
            self._nudged = is_nudged
            return
        if not self._followed and not is_nudged and self._told_until is not None:
            self._schedule()
            return
        self._asked_at = self.system.now()
        self._ask(ListOrders(self._since()))

    def _since(self) -> datetime:
        """Return from when on the broker is asked; the whole day at first and after a gap."""
        if self._told_until is not None and self.system.monotonic() < self._reconcile_at_s:
            self._is_full = False
            return self._told_until - OVERLAP
        self._is_full = True
        self._promised += self._wanted
        self._wanted.clear()
        self._reconcile_at_s = self.system.monotonic() + self._settings.reconcile_s
        self._forget_old_days()
        since = (follow.since for follow in self._followed.values())
        oldest = min(since, default=self.system.now())
        return min(oldest, self.system.now()) - timedelta(days=1)

    def _forget_old_days(self) -> None:
        """Numbers start again each day; what was told on earlier ones is of no use."""
        oldest = self._settings.session.trade_date(self.system.now()) - timedelta(days=1)
        self._known = {key: told for key, told in self._known.items() if key[0] >= oldest}
        self._filled = {key: qty for key, qty in self._filled.items() if key[0] >= oldest}
        self._counted = {key: qty for key, qty in self._counted.items() if key[0] >= oldest}

    def _ask(self, call: Inquiry) -> None:
        self._asking = call
        self._to.broker(Ask(self.ref, Line.POLL, call))
        self.after(ASK_AGAIN_S, "lost", "lost")

    def _on_outcome(self, outcome: Outcome) -> None:
        if type(outcome.call) is not type(self._asking):
            return
        self._asking = None
        self.cancel_timer("lost")
        if outcome.error is not None:
            log.warning("poll.failed", call=type(outcome.call).__name__, error=str(outcome.error))
            self._held = ()
            self._schedule(is_answered=False)
            return
        match outcome.call:
            case ListOrders(since=since):
                self._on_orders(outcome.value, since)
            case ListFills():
                self._on_fills(outcome.value)
            case _:
                self._to.position(CompareBook(outcome.value.items, tuple(self._promised)))
                self._promised.clear()
                self._schedule()

    def _on_orders(self, page: Page[BrokerOrder], since: datetime) -> None:
        news = tuple(order for order in page.items if self._is_news(order))
        self._is_whole = page.is_complete
        # What was withdrawn may leave an order's count as it was, or at zero.
        is_all = self._is_full and self._has_fills and bool(page.items)
        if is_all or any(self._lacks_fills(order) for order in news):
            self._held = news
            self._ask(ListFills(since))
            return
        self._tell_orders(news)
        self._finish(is_complete=page.is_complete)

    def _on_fills(self, page: Page[BrokerFill]) -> None:
        for fill in sorted(page.items, key=_is_change):
            self._tell_fill(fill, Source.POLL)
        held, self._held = self._held, ()
        self._tell_orders(held)
        self._finish(is_complete=self._is_whole and page.is_complete)

    def _lacks_fills(self, order: BrokerOrder) -> bool:
        if not self._has_fills:
            return False
        # Less than was told: an execution was withdrawn, and that is one of its own.
        return order.cum_qty != self._filled.get(_key(order), ZERO)

    def _finish(self, *, is_complete: bool) -> None:
        if is_complete:
            self._told_until = self._asked_at
        if not is_complete:
            self._schedule(is_answered=False)
        elif self._is_full:
            self._ask(ListPositions())
        else:
            self._schedule()

    def _schedule(self, *, is_answered: bool = True) -> None:
        """See that the next look comes; a question without a whole answer is always asked again."""
        settings = self._settings
        if self._nudged:
            self.after(NUDGE_S, "poll", "poll")
        elif self._followed or not is_answered:
            self._nudged = not is_answered
            is_active = self.system.monotonic() < self._active_until_s
            self.after(
                settings.poll_active_s if is_active else settings.poll_idle_s, "poll", "poll"
            )
        elif settings.session.is_open(self.system.now()):
            # Nothing is ours to follow; others may trade on the account all the same.
            self.after(settings.reconcile_s, "reconcile", "poll")

    def _is_news(self, order: BrokerOrder) -> bool:
        """Open orders are told all of it now and then, and their end until it is believed."""
        if self._is_followed(order) and (self._is_full or order.state in ENDED):
            return True
        return self._known.get(_key(order)) != (order.state, order.cum_qty)

    def _is_followed(self, news: BrokerOrder | BrokerFill) -> bool:
        if news.client_order_id is not None:
            return news.client_order_id in self._followed
        return (news.trade_date, news.broker_order_id) in self._numbers

    def _tell_orders(self, orders: tuple[BrokerOrder, ...]) -> None:
        for order in orders:
            if not self._has_fills or order.cum_qty == self._filled.get(_key(order), ZERO):
                self._known[_key(order)] = (order.state, order.cum_qty)
            self._to.executor(OrderSeen(order, Source.POLL))

    def _tell_fill(self, fill: BrokerFill, source: Source) -> None:
        if self._count(fill) or self._is_followed(fill):
            self._to.executor(FillSeen(fill, source))

    def _count(self, fill: BrokerFill) -> bool:
        """Take an execution into what was told, and return whether it is new."""
        key = (fill.trade_date, fill.broker_order_id)
        identity, earlier = (*key, fill.exec_id), (*key, fill.exec_ref_id or "")
        if identity in self._counted:
            return False
        stands, change = self._counted.get(earlier, ZERO), fill.last_qty
        is_early = False
        if fill.exec_ref_id is not None:
            change = _change(fill.last_qty, stands)
            is_early = earlier not in self._counted and fill.last_qty <= ZERO
        filled = self._filled.get(key, ZERO) + change
        # What it withdraws may not be known here: then it is told again with that.
        if filled >= ZERO and not is_early:
            self._counted[identity] = max(fill.last_qty, ZERO)
            self._filled[key] = filled
            if fill.exec_ref_id is not None:
                self._counted[earlier] = stands + change
        return True


def _change(last_qty: Decimal, stands: Decimal) -> Decimal:
    """Return by how much a count changes when so much stood of what was withdrawn or corrected."""
    if last_qty > ZERO:
        return last_qty - stands
    return max(last_qty, -stands) if last_qty else -stands


def _is_change(fill: BrokerFill) -> bool:
    """Return whether it is about an execution that came before."""
    return fill.exec_ref_id is not None or fill.last_qty < ZERO


def _key(order: BrokerOrder) -> OrderKey:
    return (order.trade_date, order.broker_order_id)
