"""A person who decides about orders in doubt by the broker's list, where it shows our ids.

They are told only what the list shows at that moment, and are right as little as a person is: some
say too early that there is nothing, some name another order's number, some never decide at all.
"""

from contextlib import suppress
from enum import Enum
from random import Random
from typing import Any

from domain.broker import ClientIdSupport
from domain.errors import EngineStoppedError, InvalidInputError
from domain.settings import PAPER, AbsentPolicy
from domain.signal import Resolve
from domain.terms import OrderStatus, Verdict
from tests.simulation.book import Booked
from tests.simulation.oracle import ViolationError

LOOK_S = 0.5
PATIENCE_S = (1.0, 5.0, 20.0)


class Manner(Enum):
    """How somebody decides about an order."""

    RASH = "rash"  # At once, and again until it is taken.
    PATIENT = "patient"
    MIXES_UP = "mixes up"  # Patient, and names another order's number as soon as there is one.
    NEVER = "never"


class Clerk:
    """Sees what the broker shows; knows nothing of what is on its way.

    Args:
        day: Whose exchange, oracle and engine these are.
        random: Says who decides how, and when.
    """

    def __init__(self, day: Any, random: Random) -> None:
        self._day = day
        self._random = random
        self._since_s: dict[str, float] = {}
        self._manners: dict[str, tuple[Manner, float]] = {}

    def prepare(self) -> None:
        """Begin to look, if it is for a person to decide."""
        weather = self._day.weather
        is_strict = weather.settings.absent_policy is AbsentPolicy.STRICT
        if is_strict and weather.habits.client_ids is not ClientIdSupport.NONE:
            self._look()

    def _look(self) -> None:
        day = self._day
        day.timeline.push(LOOK_S, self._look)  # First: the engine may be killed while it is asked.
        now_s = day.timeline.now_s
        doubted = [
            known
            for known, order in day.oracle.orders.items()
            if order.status is OrderStatus.IN_DOUBT
        ]
        self._since_s = {known: self._since_s.get(known, now_s) for known in doubted}
        for known in doubted:
            self._see_to(known, now_s - self._since_s[known])

    def _see_to(self, known: str, waited_s: float) -> None:
        if known not in self._manners:
            choice = self._random.choice
            self._manners[known] = choice(tuple(Manner)), choice(PATIENCE_S)
        manner, patience_s = self._manners[known]
        if manner is Manner.NEVER:
            self._day.oracle.undecided.add(known)
        is_time = manner is Manner.RASH or waited_s >= patience_s
        if self._day.main is None or manner is Manner.NEVER:
            return
        if manner is Manner.MIXES_UP and (wrong := self._another(known, is_any=is_time)):
            self._manners[known] = Manner.PATIENT, patience_s
            self._say(known, wrong)
            return
        if not is_time:
            return
        theirs = self._shown(known)
        self._say(known, theirs[0] if theirs else None)

    def _another(self, known: str, *, is_any: bool) -> Booked | None:
        """Return another order to be taken for this one: of those in doubt, or else any."""
        others = [each for each in self._all_shown() if each.request.client_order_id != known]
        doubted = [each for each in others if each.request.client_order_id in self._since_s]
        chosen = doubted or (others if is_any else [])
        return self._random.choice(chosen) if chosen else None

    def _say(self, known: str, theirs: Booked | None) -> None:
        day = self._day
        wish = Resolve(
            signal_id=day.oracle.orders[known].signal.signal_id,
            account_id=PAPER,
            verdict=Verdict.ADOPT if theirs else Verdict.ABSENT,
            reason="by the broker's list",
            requested_by="clerk",
            broker_order_id=theirs.number if theirs else None,
            trade_date=theirs.trade_date if theirs else None,
        )
        day.note(known, f"a person says {wish.verdict} {wish.broker_order_id or ''}")
        is_wrong = theirs is not None and theirs.request.client_order_id != known
        is_early = theirs is None and (day.exchange.called(known) or day.oracle.flying[known])
        day.counts["early"] += bool(is_early)
        with suppress(EngineStoppedError):
            future = day.main.engine.ask(wish)
            future.add_done_callback(lambda done: self._answered(known, done, is_wrong=is_wrong))

    def _answered(self, known: str, done: Any, *, is_wrong: bool) -> None:
        counts, error = self._day.counts, done.exception()
        if error is None and is_wrong:
            raise ViolationError("I2", "it was bound to the number of another order of ours", known)
        if error is None:
            counts["resolved"] += 1
        elif isinstance(error, InvalidInputError):
            counts[f"refused {error.field}"] += 1

    def _shown(self, known: str) -> list[Booked]:
        return [each for each in self._all_shown() if each.request.client_order_id == known]

    def _all_shown(self) -> list[Booked]:
        now = self._day.clock.now()
        orders = self._day.exchange.orders
        return [each for each in orders if each.is_ours and each.shown_from <= now]
