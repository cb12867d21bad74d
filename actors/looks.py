"""Finds out about an attempt of unknown fate: by our id, by its looks, or by what a person says."""

from dataclasses import dataclass, field
from datetime import datetime

from actors.answers import Answers, Look
from actors.handoff import Handoff
from actors.machine import ask_journal
from actors.messages import Nudge, Outcome, ResolveOrder
from actors.steps import OrderSteps
from actors.tools import OrderTools, Wait
from domain.broker import Absent, BrokerOrder, Found, Page
from domain.errors import InvalidInputError
from domain.events import Anomaly, Flagged, OrderEvent, Proof, Resolved, Source
from domain.fingerprint import is_alike, is_since
from domain.journal import FindOrder, Loaded
from domain.lifecycle import Step, reports_in
from domain.order import Order
from domain.signal import Resolve
from domain.terms import ClientOrderId, Verdict

LOOK_UP_FIRST_S, LOOK_UP_LONGEST_S = 0.5, 30.0
ALERT_AFTER = 8


@dataclass(slots=True)
class _Seen:
    """Orders that may be ours, and what the journal says whose they are."""

    page: Page[BrokerOrder]
    is_settled: bool
    waiting: dict[FindOrder, BrokerOrder]
    owners: dict[FindOrder, ClientOrderId | None] = field(default_factory=dict)


class OrderLooks(OrderSteps):
    """Asks the broker about an order in doubt, and reads the answers."""

    def __init__(self, client_order_id: ClientOrderId, handoff: Handoff, tools: OrderTools) -> None:
        super().__init__(client_order_id, handoff, tools)
        self._seen: _Seen | None = None
        self._adopting: ResolveOrder | None = None
        self._untold = 0  # Lookups in a row that told nothing.
        self._settled_attempt = 0  # The latest attempt that a settled look asked about.

    @property
    def answers(self) -> Answers:
        """Read answers as of now."""
        tools = self._tools
        return Answers(tools.settings, tools.next_wait, self.system.now(), tools.is_strict)

    def look_since(self) -> datetime | None:
        """Look at all orders also for the number that a person named."""
        return super().look_since() if self._adopting is None else self.seen_since()

    def on_looked_up(self, outcome: Outcome) -> None:
        """Take the broker's answer to a lookup."""
        if self.step() is not Step.LOOK_UP:
            self._end_look(*self._late_yes(outcome))
            return
        is_settled = self._settled_by(outcome)
        if isinstance(outcome.value, Page):
            self._ask_whose(outcome.value, is_settled=is_settled)
            return
        adopting = self._adopting
        if adopting is not None and outcome.error is None:
            self._look_after_s = 0.0  # That look was by our id, and asked before.
        elif adopting is not None:
            problem = "the broker could not be asked for that number; try again"
            self._answer(adopting, InvalidInputError("broker_order_id", problem))
        events = self.answers.to_lookup(self.state, outcome, is_settled=is_settled)
        if outcome.error is not None and self._untold >= ALERT_AFTER:
            detail = f"{ALERT_AFTER} lookups in a row told nothing; ask the broker another way"
            at = self.system.now()
            events = (*events, Flagged(anomaly=Anomaly.UNANSWERED, detail=detail, at=at))
        self._end_look(*events)

    def _late_yes(self, outcome: Outcome) -> tuple[OrderEvent, ...]:
        """Return what was found by our id, which counts whatever was decided meanwhile."""
        if not isinstance(outcome.value, Found):
            return ()
        self._tools.to.tracker(Nudge())  # For the fills that it counts.
        return reports_in(self.state, outcome.value.order, Source.LOOKUP, self.system.now())

    def on_bound(self, loaded: Loaded) -> None:
        """Take the journal's word on whose order a number is."""
        seen, query = self._seen, loaded.query
        if seen is None or not isinstance(query, FindOrder) or query not in seen.waiting:
            return
        seen.owners[query] = loaded.answer
        if len(seen.owners) == len(seen.waiting):
            self._conclude(seen)

    def on_resolve(self, wish: ResolveOrder) -> None:
        """Do what a person decided, or say why not."""
        if wish not in self._handoff.wishes:
            self._handoff.wishes.append(wish)
        if is_adopted(self.state, wish.wish):
            self.when_durable(lambda: self._answer(wish, None))
        elif (error := self._unfit(wish)) is not None:
            self._answer(wish, error)
        elif wish.wish.verdict is Verdict.ABSENT:
            placement = self.state.placement
            assert placement is not None, "an order in doubt has a placement"
            reason = f"absent, by decision: {wish.wish.reason}"
            failed = self.answers.failed(self.state, placement.attempt, Proof.OPERATOR, reason)
            self._resolve(wish, *failed)
        else:
            self._adopting, self._look_after_s = wish, 0.0
            if self.is_durable:
                self.proceed()

    def on_look_alike(self, news: BrokerOrder) -> None:
        """Flag an order that looks like this one, which was given up; it may be a stranger's."""
        number = f"{news.broker_order_id} of {news.trade_date}"
        detail = f"broker order {number} looks like it and is nobody's; if it is ours, cancel it"
        at = self.system.now()
        self.record(Flagged(anomaly=Anomaly.FOUND_AFTER_END, detail=detail, at=at))

    def _end_look(self, *events: OrderEvent) -> None:
        self._looking, self._seen = False, None
        self.cancel_timer(Wait.LOOKED_UP)
        self.record(*events)
        if self._adopting is not None and self.step() is not Step.LOOK_UP:
            self.on_resolve(self._adopting)

    def _settled_by(self, outcome: Outcome) -> bool:
        """Return whether the answer can prove absence; plan the next look, in case it does not."""
        settled_at_s, timing = self.settle_end_s(), self._tools.settings.timing
        # A call may end long after its time; what it sent late is as late to arrive.
        is_settled = outcome.asked_s >= settled_at_s and outcome.quiet_s >= timing.hidden_s
        placement = self.state.placement
        if is_settled and placement is not None:
            self._settled_attempt = placement.attempt
        now_s = self.system.monotonic()
        self._lookups += 1
        is_partial = isinstance(outcome.value, Absent | Page) and not outcome.value.is_complete
        self._untold = self._untold + 1 if outcome.error is not None or is_partial else 0
        self._look_after_s = now_s + min(
            LOOK_UP_LONGEST_S, LOOK_UP_FIRST_S * 2 ** min(self._lookups - 1, 10)
        )
        if outcome.error is None and not is_settled:
            quiet_at_s = outcome.asked_s + timing.hidden_s - outcome.quiet_s
            self._settled_at_s = settled_at_s = max(settled_at_s, quiet_at_s)
            self._look_after_s = min(self._look_after_s, max(now_s, settled_at_s))
        return is_settled

    def _ask_whose(self, page: Page[BrokerOrder], *, is_settled: bool) -> None:
        """Ask the journal about every order that looks like ours, and about the one named."""
        named = self._named()
        alike = {
            key: news
            for news in page.items
            if (key := FindOrder(news.broker_order_id, news.trade_date)) == named
            or is_alike(self.state, news)
        }
        self._seen = seen = _Seen(page, is_settled, alike)
        for query in alike:
            ask_journal(self, self._journal, query)
        if not alike:
            self._conclude(seen)

    def _conclude(self, seen: _Seen) -> None:
        if self.step() is Step.LOOK_UP and self._adopting is not None:
            self._conclude_adoption(self._adopting, seen)
        if self.step() is not Step.LOOK_UP or not self._tools.is_claiming:
            self._end_look()
            return
        order, skew_s = self.state, self._tools.settings.timing.clock_skew_s
        placement = order.placement
        assert placement is not None, "an order in doubt has a placement"
        own: list[BrokerOrder] = []
        before: list[BrokerOrder] = []
        for query, news in seen.waiting.items():
            if seen.owners[query] is None and is_alike(order, news):
                (own if is_since(news, placement.since, skew_s) else before).append(news)
        events = self.answers.to_look(
            order,
            Look(tuple(own), tuple(before)),
            is_settled=seen.is_settled,
            is_complete=seen.page.is_complete,
        )
        self._end_look(*events)

    def _conclude_adoption(self, wish: ResolveOrder, seen: _Seen) -> None:
        named = self._named()
        news = None if named is None else seen.waiting.get(named)
        if named is None or news is None:
            whole = "shows no such order of that day; name one that it shows"
            part = "showed only a part of its orders; try again"
            problem = f"the broker {whole if seen.page.is_complete else part}"
        elif (owner := seen.owners[named]) is not None:
            problem = f"that order is bound to {owner}; name another"
        elif news.client_order_id not in (None, self._id):
            problem = f"that order carries {news.client_order_id}; name another"
        elif not is_alike(self.state, news):
            terms = f"{news.side} {news.order_qty} {news.symbol} {news.order_type}"
            problem = f"that order is {terms} {news.limit_px or ''}".rstrip() + "; this one is not"
        else:
            reports = reports_in(self.state, news, Source.OPERATOR, self.system.now())
            self._resolve(wish, *reports)
            return
        self._answer(wish, InvalidInputError("broker_order_id", problem))

    def _named(self) -> FindOrder | None:
        wish = self._adopting.wish if self._adopting is not None else None
        if wish is None or wish.broker_order_id is None or wish.trade_date is None:
            return None
        return FindOrder(wish.broker_order_id, wish.trade_date)

    def _unfit(self, wish: ResolveOrder) -> InvalidInputError | None:
        if self.step() is not Step.LOOK_UP:
            problem = f"the order is {self.state.status}, not IN_DOUBT; there is nothing to resolve"
            return InvalidInputError("signal_id", problem)
        if self._adopting not in (None, wish):
            problem = "another decision about this order is being carried out; wait for its end"
            return InvalidInputError("signal_id", problem)
        if wish.wish.verdict is Verdict.ABSENT and (left_s := self._unsettled_s()) > 0:
            problem = f"the broker may still take the order; try again in {left_s:.1f} s"
            return InvalidInputError("verdict", problem)
        return None

    def _unsettled_s(self) -> float:
        """Return how long the broker may still take what was sent; 0 when it is over."""
        left_s = self.settle_end_s() - self.system.monotonic()
        placement = self.state.placement
        if left_s > 0 or placement is None or placement.attempt == self._settled_attempt:
            return max(0.0, left_s)
        # The call that sends it may hang, and send it yet; a look can only be made after it.
        self._look_after_s = 0.0
        self.wait(0.0, Wait.LOOK_UP)
        return LOOK_UP_FIRST_S

    def _resolve(self, wish: ResolveOrder, *following: OrderEvent) -> None:
        decided = Resolved(
            verdict=wish.wish.verdict,
            broker_order_id=wish.wish.broker_order_id,
            trade_date=wish.wish.trade_date,
            reason=wish.wish.reason,
            requested_by=wish.wish.requested_by,
            at=self.system.now(),
        )
        self._adopting = None
        self.record(decided, *following, then=(lambda: self._answer(wish, None),))

    def _answer(self, wish: ResolveOrder, error: InvalidInputError | None) -> None:
        if self._adopting is wish:
            self._adopting = None
        if wish in self._handoff.wishes:
            self._handoff.wishes.remove(wish)
            wish.done(error)


def is_adopted(order: Order, wish: Resolve) -> bool:
    """Return whether the order is bound to the number that a person names already."""
    number = (order.broker_order_id, order.trade_date)
    return wish.verdict is Verdict.ADOPT and number == (wish.broker_order_id, wish.trade_date)
