"""Storms: everything crashes, answers get lost, the process is killed; one seed, one run.

At the end every signal has ended, and the books of broker, orders and positions are the same.
"""

from datetime import timedelta
from decimal import Decimal

import pytest

from actors.runtime import Faults, Killed
from infra.brokers.paper import FaultKind, FaultPlan, PaperSettings
from tests.desks import START, buy, cancel, sell
from tests.unit.actors.rigs import StormDesk

pytestmark = pytest.mark.slow

RATES = {
    FaultKind.NOT_SENT: 0.04,
    FaultKind.LOST_BEFORE: 0.04,
    FaultKind.LOST_AFTER: 0.06,
    FaultKind.BOOKED_LATE: 0.02,
    FaultKind.HTTP_500_BEFORE: 0.02,
    FaultKind.HTTP_500_AFTER: 0.03,
    FaultKind.SLOW: 0.02,
    FaultKind.RATE_LIMITED: 0.02,
    FaultKind.ASYNC_REJECT: 0.02,
    FaultKind.INCOMPLETE: 0.05,
    FaultKind.LOST: 0.15,
    FaultKind.DUPLICATE: 0.1,
    FaultKind.LATE: 0.1,
    FaultKind.REORDERED: 0.05,
    FaultKind.GAP: 0.02,
}
IDS = [f"s-{n}" for n in range(12)]
RESTING = IDS[3::4]
TOP = ("executor", "broker", "position", "tracker", "bus")


@pytest.fixture
def desk(tmp_path):
    made = StormDesk(tmp_path, paper=PaperSettings(latency_s=(0.005, 0.05)))
    yield made
    made.stop()


def a_plan(seed):
    return FaultPlan(seed=seed, rates=RATES)


def signal(one):
    if one in RESTING:
        return buy(one, 50, limit_px=Decimal(60_000))
    return sell(one, 30) if IDS.index(one) % 4 == 1 else buy(one, 40)


def trade(desk, between=lambda _: None):
    """Tell all signals and cancels over a second or two, while the market moves."""
    desk.run_for(1.2)
    desk.quote(70_000, volume=3_000)
    for number, one in enumerate(IDS):
        desk.tell(signal(one))
        desk.run_for(0.1)
        between(number)
        if one in RESTING:
            desk.run_for(0.2)
            desk.tell(cancel(one))
        if number % 3 == 2:
            desk.quote(70_000 + 100 * (number % 5), volume=1_500)


def bring_to_end(desk):
    """Faults have healed. Tell all again, as a runner would, and see that everything is whole."""
    for one in IDS:
        desk.ask(signal(one))
    for one in RESTING:
        desk.ask(cancel(one))
    desk.quote(70_100)
    desk.until_rest(*IDS, within_s=200)
    desk.run_for(desk.settings.reconcile_s + 10)
    desk.check()
    assert {order.state for order in desk.ledger().orders} <= {"FILLED", "CANCELLED", "REJECTED"}
    ours = {order.broker_order_id for order in desk.orders()}
    assert {order.broker_order_id for order in desk.ledger().orders} <= ours, "I2"
    assert not desk.engine.failed.is_set()


@pytest.mark.parametrize("seed", range(6))
def test_crashes_everywhere_and_a_bad_broker_leave_every_book_right(desk, seed):
    faults = Faults(crash=0.02, stall=0.01, stall_s=0.5)
    desk.start(seed=seed, faults=a_plan(seed), rates=faults)
    trade(desk)
    desk.run_for(20)

    desk.system.faults = Faults()
    desk.run_for(35)  # Orders that failed too often are revived.

    bring_to_end(desk)


@pytest.mark.parametrize("name", TOP)
def test_an_actor_that_crashes_in_the_middle_of_a_busy_flow_loses_nothing(desk, name):
    desk.start(faults=FaultPlan(seed=1, rates={FaultKind.LOST: 0.5}))

    trade(desk, between=lambda number: number % 2 or desk.crash(name))

    bring_to_end(desk)


def test_orders_that_crash_in_the_middle_of_a_busy_flow_lose_nothing(desk):
    desk.start()

    def crash_some(number):
        for stream in tuple(desk.streams.values()):
            if stream in desk.system.actors and number % 2:
                desk.engine.actor(stream).tell(object())

    trade(desk, between=crash_some)
    desk.run_for(40)

    bring_to_end(desk)


@pytest.mark.parametrize("kill_at", range(25, 900, 55))
def test_a_kill_at_any_effect_loses_nothing_that_was_acknowledged(desk, kill_at):
    seed = kill_at % 7
    acknowledged = []
    try:
        desk.start(seed=seed, faults=a_plan(seed), rates=Faults(kill_at=kill_at))
        for one in IDS:
            desk.engine.ask(signal(one)).add_done_callback(
                lambda future, one=one: future.exception() or acknowledged.append(one)
            )
        trade(desk)
        desk.run_for(20)
    except Killed:
        pass

    at = desk.kill() + timedelta(seconds=1 + seed)
    desk.start(at=at, seed=seed + 100)
    desk.run_for(2)
    assert all(desk.order(one) is not None for one in acknowledged)

    bring_to_end(desk)


def test_killed_again_and_again_it_still_ends_right(desk):
    at = START
    for life in range(6):
        try:
            desk.start(at=at, seed=life, faults=a_plan(life), rates=Faults(kill_at=60 + 90 * life))
            trade(desk)
            desk.run_for(20)
        except Killed:
            pass
        at = desk.kill() + timedelta(seconds=life)

    desk.start(at=at, seed=99)

    bring_to_end(desk)


def test_the_same_seed_is_the_same_run(tmp_path):
    hashes = set()
    for name in ("one", "two"):
        desk = StormDesk(tmp_path / name)
        desk.folder.mkdir()
        desk.start(seed=5, faults=a_plan(5), rates=Faults(crash=0.01))
        trade(desk)
        desk.run_for(5)
        hashes.add(desk.system.trace_hash)
        desk.kill()

    assert len(hashes) == 1
