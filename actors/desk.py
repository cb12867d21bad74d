"""Where every live order is: finds its actor, or starts it again from the journal.

What the broker tells about an order arrives here, also long after the order's actor has left.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog

from actors.claims import (
    AskClaim,
    ClaimGranted,
    ClaimLost,
    Claims,
    ClaimTaken,
    LookAlike,
    ReleaseClaim,
)
from actors.departures import Gone, Leaving, fold_stream, is_known
from actors.handoff import Begun, Handoff
from actors.machine import ask_journal
from actors.messages import FillSeen, Leave, OrderSeen, Rested, Stays
from actors.order import OrderActor
from actors.runtime import Actor, Ref
from actors.tools import OrderTools
from domain.broker import BrokerOrder
from domain.events import ReconcileBroke
from domain.fingerprint import fingerprint, is_since, look_of
from domain.journal import Append, FindOrder, Loaded, LoadOpenOrders, LoadStream, StreamEvents
from domain.order import Order
from domain.terms import ClientOrderId, OrderStatus

log = structlog.get_logger()

REVIVE_S = 30.0
GIVEN_UP_KEPT = 1000
ORDER = "order/"


class OrderDesk(Actor):
    """Keeps the list of live orders, and supervises them."""

    exhausted = "stop"  # A poisoned order stops alone; it is revived later.

    def __init__(self, tools: OrderTools) -> None:
        super().__init__()
        self._tools = tools
        self._live: dict[ClientOrderId, tuple[Ref, str]] = {}
        self._unsent: set[ClientOrderId] = set()
        self._leaving: dict[ClientOrderId, Leaving] = {}
        self._gone = Gone()
        self._stopped: set[ClientOrderId] = set()  # A list asked for before may be too old.
        self._begun: dict[ClientOrderId, Begun] = {}
        self._loads: dict[str, list[Callable[[Order | None], None]]] = {}
        self._finding: dict[FindOrder, list[OrderSeen | FillSeen]] = {}
        self._foreign: set[str] = set()
        self._claims = Claims()
        # News of orders that nobody has yet: one in doubt of that look may turn out to.
        self._parked: dict[tuple[Any, ...], OrderSeen | FillSeen] = {}
        # What was given up because nothing looked like it; something may, later.
        self._given_up: dict[str, tuple[ClientOrderId, datetime]] = {}
        self._is_recovered = False

    def on_start(self) -> None:
        """Start an actor for every order that is open; signals wait until that is done."""
        self.loading()
        ask_journal(self, self._tools.journal, LoadOpenOrders())

    def on_child_stopped(self, ref: Ref) -> None:
        """Revive, after a while, an order that failed too often; the others left by themselves."""
        known = ClientOrderId(ref.actor_urn.removeprefix(ORDER))
        begun = self._begun.get(known)
        if begun is not None and begun.order is ref:
            self.end_begun(known)
        leaving = self._leaving.get(known)
        if leaving is not None and leaving.order is ref:
            del self._leaving[known]
            self._gone.add(leaving.state)
            for seen in leaving.news:
                self.ref.tell(seen)
        else:
            self._stopped.add(known)
        live = self._live.get(known)
        if live is not None and live[0] is ref:
            del self._live[known]
            log.error("order.actor_stopped", client_order_id=known, revive_in_s=REVIVE_S)
            self.after(REVIVE_S, "revive", "revive")

    def on_revived(self, known: ClientOrderId, order: Ref) -> None:
        """React to an order that starts anew; for subclasses."""

    def on_loaded(self, loaded: Loaded) -> None:
        """Take an answer of the journal."""
        if loaded.life != self.life:
            return
        match loaded.query:
            case LoadOpenOrders():
                self._recover(loaded.answer)
            case LoadStream(stream=stream):
                order = fold_stream(loaded.answer)
                for then in self._loads.pop(stream, ()):
                    then(order)
            case FindOrder():
                for seen in self._finding.pop(loaded.query, ()):
                    self._on_found(seen, loaded.answer)
            case _:
                msg = f"nobody asked the journal for {type(loaded.query).__name__}"
                raise TypeError(msg)

    def _recover(self, streams: tuple[StreamEvents, ...]) -> None:
        held: dict[str, ClientOrderId] = {}
        for stream in streams:
            order = fold_stream(stream)
            if order is not None and order.claim is not None:
                held[order.claim] = order.client_order_id
            if order is not None and order.client_order_id in self._begun:
                # Its namesake gives way; the name is not free before.
                self.after(REVIVE_S, "revive", "revive")
            elif order is not None and self._lacks_actor(order.client_order_id):
                is_old = order.client_order_id in self._stopped
                self.spawn_order(order, handoff=Handoff(None if is_old else order))
                if order.status is OrderStatus.PENDING:
                    self._unsent.add(order.client_order_id)
        for known in self._claims.rebuild(held):
            self._grant(known)
        if not self._is_recovered:
            self._is_recovered = True
            log.info("executor.recovered", open_orders=len(streams))
            self.loaded()

    def _lacks_actor(self, known: ClientOrderId) -> bool:
        return not (known in self._live or known in self._leaving or self._gone.get(known))

    def on_seen(self, seen: OrderSeen | FillSeen) -> None:
        """Pass news of the broker on to the order that it is about."""
        news = seen.order if isinstance(seen, OrderSeen) else seen.fill
        known = news.client_order_id
        if known is None:
            self._find(seen)
        else:
            self._pass_on(seen, known)

    def _pass_on(self, seen: OrderSeen | FillSeen, known: ClientOrderId) -> None:
        if (live := self._live.get(known)) is not None:
            live[0].tell(seen)
        elif (gone := self._gone.get(known)) is not None:
            self._on_seen_loaded(seen, gone)
        else:
            self.load_order(known, lambda order: self._on_seen_loaded(seen, order))

    def _find(self, seen: OrderSeen | FillSeen) -> None:
        news = seen.order if isinstance(seen, OrderSeen) else seen.fill
        query = FindOrder(news.broker_order_id, news.trade_date)
        self._finding.setdefault(query, []).append(seen)
        ask_journal(self, self._tools.journal, query)

    def _on_found(self, seen: OrderSeen | FillSeen, known: ClientOrderId | None) -> None:
        news = seen.order if isinstance(seen, OrderSeen) else seen.fill
        if known is None and self._claims.covers(news.symbol, news.side):
            self._parked[_identity(seen)] = seen
        elif known is None:
            self._on_foreign(seen)
        else:
            self._pass_on(seen, known)

    def _on_seen_loaded(self, seen: OrderSeen | FillSeen, order: Order | None) -> None:
        if order is None:
            self._on_foreign(seen)
        elif order.client_order_id in self._leaving:
            self._leaving[order.client_order_id].news.append(seen)
        elif not is_known(order, seen, has_totals=not self._tools.broker.has_exec_ids):
            self.tell_order(order, seen)
        elif order.is_closed and order.client_order_id not in self._live:
            self._gone.add(order)

    def _on_foreign(self, seen: OrderSeen | FillSeen) -> None:
        """An order that is not ours: shown once, never adopted."""
        news = seen.order if isinstance(seen, OrderSeen) else seen.fill
        subject = f"broker order {news.trade_date}/{news.broker_order_id}"
        if subject in self._foreign:
            return
        self._foreign.add(subject)
        if isinstance(seen, OrderSeen):
            self._compare_given_up(seen.order)
        broke = ReconcileBroke(
            subject=subject, ours="no such order", theirs=str(news.symbol), at=self.system.now()
        )
        self.append("engine", None, (broke,), (("reconcile.break",),), None)

    def has_claim(self, order: Order) -> bool:
        """Return whether a new order may be sent now, or stands in line behind one like it."""
        if not self._tools.is_claiming:
            return True
        return self._claims.take(fingerprint(order.signal), order.client_order_id)

    def on_claim(self, message: AskClaim | ReleaseClaim | ClaimLost) -> None:
        """See that of the orders that look the same at most one is in doubt."""
        match message:
            case AskClaim(client_order_id=known, claim=claim):
                if self._claims.take(claim, known):
                    self._grant(known)
                elif known in self._live:
                    self._live[known][0].tell(ClaimTaken(self._claims.holder(claim)))
            case ReleaseClaim(client_order_id=known):
                self._release(known)
            case ClaimLost(client_order_id=known):
                self._claims.lose(known)
                ask_journal(self, self._tools.journal, LoadOpenOrders())

    def _release(self, known: ClientOrderId) -> None:
        following = self._claims.release(known)
        if following is not None:
            self._grant(following)
        parked, self._parked = self._parked, {}
        for seen in parked.values():
            self._find(seen)

    def _grant(self, known: ClientOrderId) -> None:
        ref = self.ref_of(known)
        if ref is not None:
            ref.tell(ClaimGranted())
        else:
            self._release(known)

    def digest_of(self, known: ClientOrderId) -> str | None:
        """Return the digest of an order's signal, as far as the journal need not be asked."""
        if (live := self._live.get(known)) is not None:
            return live[1]
        leaving = self._leaving.get(known)
        gone = self._gone.get(known) if leaving is None else leaving.state
        return None if gone is None else gone.digest

    def ref_of(self, known: ClientOrderId) -> Ref | None:
        """Return the actor of an order that may be told what is asked of it."""
        live = self._live.get(known)
        return None if live is None else live[0]

    def _compare_given_up(self, news: BrokerOrder) -> None:
        """Tell an order that was given up of what looks like it; it is flagged, never adopted."""
        settings = self._tools.settings
        given_up = self._given_up.get(look_of(settings.account_id, news))
        if given_up is not None and is_since(news, given_up[1], settings.timing.clock_skew_s):
            self.load_order(given_up[0], lambda order: self._tell_alike(order, news))

    def _tell_alike(self, order: Order | None, news: BrokerOrder) -> None:
        if order is not None and order.broker_order_id is None:
            self.tell_order(order, LookAlike(news))

    def on_rested(self, rested: Rested) -> None:
        """Let an order leave that has ended; what was told to it before comes first."""
        known = rested.state.client_order_id
        if rested.given_up is not None:
            look, since = rested.given_up
            self._given_up.pop(look, None)
            self._given_up[look] = (known, since)
            if len(self._given_up) > GIVEN_UP_KEPT:
                del self._given_up[next(iter(self._given_up))]
        self._unsent.discard(known)
        live = self._live.get(known)
        # An actor that has left said it before its successor began: that one stays.
        if live is not None and live[0] is rested.order:
            del self._live[known]
            self._leaving[known] = Leaving(rested.order, rested.state)
        elif (leaving := self._leaving.get(known)) is not None and leaving.order is rested.order:
            leaving.state = rested.state  # It began again meanwhile.
        rested.order.tell(Leave(rested.state.version))

    def on_stays(self, stays: Stays) -> None:
        """Take an order back that had news before it could leave, and tell it what came since."""
        leaving = self._leaving.pop(stays.client_order_id, None)
        if leaving is not None:
            self._live[stays.client_order_id] = (leaving.order, leaving.state.digest)
            for seen in leaving.news:
                leaving.order.tell(seen)

    def load_order(self, known: ClientOrderId, then: Callable[[Order | None], None]) -> None:
        """Have ``then`` called with an order that may have no actor, None when there is none."""
        stream = f"{ORDER}{known}"
        waiting = self._loads.setdefault(stream, [])
        waiting.append(then)
        if len(waiting) == 1:
            ask_journal(self, self._tools.journal, LoadStream(stream))

    def tell_order(self, order: Order, message: Any) -> None:
        """Tell an order that is written down, once no other stands under its name."""
        begun = self._begun.get(order.client_order_id)
        if begun is None:
            self.spawn_order(order).tell(message)
        else:
            begun.waiting.append((order, message))

    def begin_order(self, known: ClientOrderId, handoff: Handoff) -> Ref:
        """Start the actor of an order that is being written down."""
        before = self._begun.pop(known, None)
        ref = self.start_order(known, handoff)
        self._begun[known] = Begun(ref, [] if before is None else before.waiting)
        return ref

    def end_begun(self, known: ClientOrderId) -> None:
        """Tell the order of that name, which is the written one from now on, what it missed."""
        begun = self._begun.pop(known, None)
        for order, message in () if begun is None else begun.waiting:
            self.tell_order(order, message)

    def spawn_order(self, order: Order, *, handoff: Handoff | None = None) -> Ref:
        """Return the order's actor; without a ``handoff`` a new one loads the journal itself."""
        known = order.client_order_id
        ref = self.start_order(known, handoff or Handoff())
        is_new = known not in self._live
        self._gone.forget(known)
        self._live[known] = (ref, order.digest)
        if is_new:
            # News may wake it before its time to be revived has come.
            self.on_revived(known, ref)
        return ref

    def start_order(self, known: ClientOrderId, handoff: Handoff) -> Ref:
        """Return the order's actor, a new one where there is none; only live ones are told news."""
        return self.spawn(OrderActor, known, handoff, self._tools, name=f"{ORDER}{known}")

    def append(
        self,
        stream: str,
        version: int | None,
        events: tuple[Any, ...],
        topics: tuple[tuple[str, ...], ...],
        state: Order | None,
    ) -> None:
        """Journal events; the answer comes as a message of this life."""
        batch = Append(
            stream=stream,
            version=version,
            events=events,
            topics=topics,
            state=state,
            life=self.life,
        )
        self._tools.journal.append(batch, self.ref.tell_control)


def _identity(seen: OrderSeen | FillSeen) -> tuple[Any, ...]:
    """Return what later news of the same replaces."""
    if isinstance(seen, OrderSeen):
        return (seen.order.trade_date, seen.order.broker_order_id)
    return (seen.fill.trade_date, seen.fill.broker_order_id, seen.fill.exec_id)
