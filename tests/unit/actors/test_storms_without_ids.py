"""Storms at a broker that carries no ids: short random days of twins, lost answers and kills.

A seed decides everything. At the end a person has resolved what was flagged, by the broker's own
book, and then every signal has ended, no broker order is a second one or nobody's, and the fills
and positions are the broker's.
"""

from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest

from actors.runtime import Faults, Killed
from domain.settings import AbsentPolicy
from domain.signal import Resolve
from domain.terms import Verdict
from infra.brokers.paper import FaultKind, FaultPlan, PaperSettings
from tests.desks import START, buy, cancel, sell
from tests.unit.actors.rigs import StormDesk, setting

pytestmark = pytest.mark.slow

RATES = {
    FaultKind.NOT_SENT: 0.04,
    FaultKind.LOST_BEFORE: 0.08,
    FaultKind.LOST_AFTER: 0.1,
    FaultKind.BOOKED_LATE: 0.04,
    FaultKind.HTTP_500_BEFORE: 0.02,
    FaultKind.HTTP_500_AFTER: 0.04,
    FaultKind.SLOW: 0.02,
    FaultKind.RATE_LIMITED: 0.02,
    FaultKind.ASYNC_REJECT: 0.02,
    FaultKind.INCOMPLETE: 0.1,
    FaultKind.LOST: 0.3,
    FaultKind.LATE: 0.1,
}
IDS = [f"s-{n}" for n in range(10)]
LIMIT = Decimal(60_000)
TERMINAL = {"FILLED", "CANCELLED", "REJECTED", "FAILED", "EXPIRED"}


def signal(one, dice):
    """Return one of few wishes, so that many look the same."""
    return dice.choice((buy(one, 40), buy(one, 40), sell(one, 30), buy(one, 50, limit_px=LIMIT)))


class Day:
    """One desk, its wishes, and how often it was killed."""

    def __init__(self, folder, seed):
        self.dice = Random(seed)
        self.seed = seed
        self.wishes = {one: signal(one, self.dice) for one in IDS}
        has_fills = self.dice.random() < 0.3
        self.desk = StormDesk(
            folder,
            paper=PaperSettings(
                latency_s=(0.005, 0.05), hidden_s=0.4, client_ids=False, exec_ids=has_fills
            ),
        )
        setting(self.desk, absent_policy=self.dice.choice(list(AbsentPolicy)))
        self.at = START

    def run(self):
        """Trade through some lives, then heal and see that everything is whole."""
        for _ in range(self.dice.randint(1, 3)):
            self._live()
        self._heal()

    def _live(self):
        kill_at = self.dice.randint(20, 900)
        rates = Faults(crash=self.dice.choice((0.0, 0.01)), stall=0.01, stall_s=0.5)
        self._start(
            faults=FaultPlan(seed=self.dice.getrandbits(32), rates=RATES),
            rates=Faults(crash=rates.crash, stall=0.01, stall_s=0.5, kill_at=kill_at),
        )
        try:
            self._trade()
            self.desk.run_for(self.dice.uniform(5, 40))
        except Killed:
            pass
        self.at = self.desk.kill() + timedelta(seconds=self.dice.uniform(0, 5))

    def _start(self, **options):
        self.desk.start(at=self.at, seed=self.dice.getrandbits(32), **options)

    def _trade(self):
        desk = self.desk
        desk.run_for(1.2)
        for number, (one, wish) in enumerate(self.wishes.items()):
            desk.tell(wish)
            desk.run_for(self.dice.choice((0.0, 0.05, 0.5)))
            if wish.limit_px is not None and self.dice.random() < 0.5:
                desk.tell(cancel(one))
            if number % 3 == 2:
                desk.quote(70_000 + 100 * (number % 5), volume=self.dice.choice((300, 3_000)))
            if self.dice.random() < 0.05:
                self._bust()

    def _bust(self):
        """Let the broker withdraw a part of its latest execution."""
        fills = self.desk.ledger().fills
        if fills and fills[-1].last_qty >= 10:
            number = (fills[-1].broker_order_id, fills[-1].trade_date)
            self.desk.gateway.broker.bust(*number, Decimal(10))

    def _heal(self):
        desk = self.desk
        self._start()
        desk.run_for(2)
        for one, wish in self.wishes.items():
            desk.ask(wish)
            if wish.limit_px is not None:
                desk.ask(cancel(one))
        desk.quote(70_100)
        self._bust()
        for _ in range(12):
            desk.run_for(20)
            self._resolve()
            if all(desk.status(one) in TERMINAL for one in IDS):
                break
        desk.until_rest(*IDS, within_s=120)
        desk.run_for(desk.settings.reconcile_s + 10)
        desk.check()
        assert not desk.engine.failed.is_set()

    def _resolve(self):
        """Decide as a person would who telephones with the broker."""
        for one in IDS:
            order = self.desk.order(one)
            if self.desk.status(one) != "IN_DOUBT" or not order.flags:
                continue
            theirs = [
                told
                for told in self.desk.ledger().orders
                if told.client_order_id.partition("~")[0] == order.client_order_id
            ]
            decision = {
                "signal_id": order.signal.signal_id,
                "account_id": order.signal.account_id,
                "reason": "telephoned",
            }
            if theirs:
                decision["broker_order_id"] = theirs[0].broker_order_id
                decision["trade_date"] = theirs[0].trade_date
            verdict = Verdict.ADOPT if theirs else Verdict.ABSENT
            self.desk.ask(Resolve(verdict=verdict, **decision))


@pytest.mark.parametrize("seed", range(16))
def test_a_random_day_without_ids_ends_with_every_book_right(tmp_path, seed):
    day = Day(tmp_path, seed)

    day.run()

    day.desk.stop()
