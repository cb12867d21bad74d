"""A halt in a whole engine: nothing leaves, cancels do, and nothing is lost by it."""

import random
from bisect import bisect_left
from contextlib import suppress
from datetime import timedelta
from itertools import count
from threading import Event, Thread
from time import monotonic_ns

import pytest

from actors.engine import Engine, Ports
from actors.errors import WithheldError
from actors.gate import passing
from actors.messages import Place
from actors.runtime import LiveSystem
from domain.halt import ACCOUNT
from domain.settings import RateLimit
from infra.brokers.null import NullGateway
from infra.brokers.paper import PaperSettings
from infra.clock import SystemClock
from infra.store.audit import verify
from infra.store.halts import lift_halt, set_halt, shut
from infra.store.places import note_of
from infra.store.reading import open_reader
from infra.store.store import open_store
from tests.desks import LiveDesk, SimulatedDesk, buy, cancel, with_settings
from tests.unit.actors.test_broker import a_request
from tests.unit.domain.test_halt import CROSSOVER, halted, resumed

FAST = PaperSettings(latency_s=(0.001, 0.001), power_safe=False)


def halt(desk, scope=ACCOUNT):
    # On virtual time nothing moves while somebody waits in real time.
    wait_s = 0.0 if isinstance(desk, SimulatedDesk) else 6.0
    return set_halt(desk.path, halted(scope, at=desk.clock.now()), clock=desk.clock, wait_s=wait_s)


def resume(desk, scope=ACCOUNT):
    return lift_halt(desk.path, resumed(scope), clock=desk.clock)


def placed(desk):
    return len(desk.ledger().orders)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_of_500_orders_queued_none_leaves_in_a_halt_and_all_go_on_after_it(desk):
    desk.paper = FAST
    with_settings(desk, rate=RateLimit(requests=100), signal_deadline=timedelta(minutes=10))
    desk.start()
    desk.tell(buy("resting", limit_px=60_000))
    ids = [f"s-{n}" for n in range(500)]
    desk.tell(*(buy(one, 1) for one in ids))
    desk.until(lambda: placed(desk) > 50, within_s=40)

    report = halt(desk)
    before = placed(desk)
    named = {order.signal_id for order in report.in_flight}
    desk.run_for(4)

    assert placed(desk) <= before + (0 if report.is_quiet else len(named))
    desk.until(lambda: all(desk.status(one) in {"PENDING", "FILLED"} for one in ids))
    waiting = [one for one in ids if desk.status(one) == "PENDING"]
    assert len(waiting) > 300
    assert all(len(desk.of(one)) <= 5 for one in waiting), "it writes on and on"
    desk.tell(cancel("resting"))
    desk.until_status("CANCELLED", signal_id="resting", within_s=5)

    resume(desk)
    desk.until_rest(*ids, within_s=60)
    assert {desk.status(one) for one in ids} == {"FILLED"}
    desk.check()


def test_a_halt_that_outlasts_the_deadline_costs_an_order_four_rows(simulated):
    simulated.start().run_for(2)
    halt(simulated)
    simulated.tell(buy())

    simulated.until_status("FAILED", within_s=31)

    kinds = [record.kind for record in simulated.of()]
    assert kinds == ["OrderCreated", "SubmitStarted", "SubmitFailed", "Failed"]
    held = simulated.of()[2].event
    assert (held.proof, held.is_counted) == ("HELD", False)
    assert "account is halted since" in held.reason
    assert simulated.order().closure.reason.startswith("not sent within its deadline")


def test_an_order_goes_on_soon_after_its_halt_is_lifted(simulated):
    simulated.start().run_for(2)
    halt(simulated)
    simulated.tell(buy())
    simulated.run_for(20)
    assert (simulated.status(), simulated.order().attempts) == ("PENDING", 0)

    resume(simulated)

    simulated.until_rest(within_s=3)
    assert simulated.order().attempts == 1
    simulated.check()


def test_an_order_that_is_held_back_can_be_cancelled(simulated):
    simulated.start().run_for(2)
    halt(simulated)
    simulated.tell(buy())
    simulated.run_for(5)

    simulated.tell(cancel())

    simulated.until_status("CANCELLED", within_s=1)


def test_only_the_strategy_that_is_halted_waits(simulated):
    simulated.start().run_for(2)
    halt(simulated, CROSSOVER)

    simulated.tell(buy("held", strategy_id="crossover"), buy("free", strategy_id="other"))

    simulated.until_rest("free", within_s=3)
    assert simulated.status("held") == "PENDING"


@pytest.mark.parametrize("after_s", [0.5, 5.0])
def test_a_halt_outlives_the_engine(simulated, after_s):
    simulated.start().run_for(2)
    halt(simulated)
    simulated.tell(buy(deadline=simulated.clock.now() + timedelta(hours=1)))
    simulated.run_for(after_s)

    simulated.start(at=simulated.kill())
    simulated.run_for(60)
    assert (simulated.status(), simulated.ledger().orders) == ("PENDING", ())

    resume(simulated)
    simulated.until_rest(within_s=5)
    simulated.check()


class NotingGateway(NullGateway):
    """Notes when each placement began."""

    def __init__(self, clock):
        super().__init__(clock)
        self.begun = []

    def place_order(self, account_id, order):
        self.begun.append(monotonic_ns())
        return super().place_order(account_id, order)


@pytest.fixture
def null(tmp_path):
    """A live engine on a broker that takes no time: placements follow each other at once."""
    clock = SystemClock()
    gateway = NotingGateway(clock)
    ports = Ports(
        store=open_store(tmp_path / "oncefill.db", account_id="paper", clock=clock),
        gateway=gateway,
        system=lambda: LiveSystem(clock=clock),
    )
    desk = LiveDesk(tmp_path)
    desk.clock, desk.gateway = clock, gateway
    settings = with_settings(desk, rate=RateLimit(requests=10**5)).settings
    desk.engine = Engine(settings, ports).start()
    yield desk
    assert desk.engine.stop() == ()


def in_turns(times, stop, go):
    """Stop and go in turns; return when each stop had returned and when it was to end."""
    dice, pause, moments = random.Random(5), Event(), []
    for _ in range(times):
        pause.wait(dice.random() * 0.004)
        stop()
        returned = monotonic_ns()
        pause.wait(dice.random() * 0.002)
        moments.append((returned, monotonic_ns()))
        go()
    return moments


def broken(moments, begun):
    """Return the moments in which a placement began; a quick broker is called very often."""
    begun = sorted(begun)
    return [m for m in moments if bisect_left(begun, m[0]) != bisect_left(begun, m[1])]


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_after_a_thousand_halts_no_placement_begins_before_the_resume(tmp_path, request, kind):
    clock, is_over = SystemClock(), Event()
    named = tmp_path / "oncefill.db"
    if kind == "postgres":
        # Whatever isolation the server's own default is.
        serializable = "options=-c%20default_transaction_isolation%3Dserializable"
        named = f"{request.getfixturevalue('postgres').url()}&{serializable}"
    store = open_store(named, account_id="paper", clock=clock)
    note = note_of(store.path)
    store.journal()
    guard, gateway = store.guard(), NotingGateway(clock)

    def place(thread):
        for number in count():
            # Without a moment's pause the threads leave none to the one that halts.
            if is_over.wait(0.0003):
                return
            with suppress(WithheldError):
                call = Place(a_request(f"{thread}-{number}"), 1, 0.0)
                with passing(guard, call):
                    # As long as other threads may keep it from the call.
                    is_over.wait(0.0005 * (number % 3))
                    gateway.place_order("paper", call.request)

    placing = [Thread(target=place, args=(name,)) for name in "ab"]
    for thread in placing:
        thread.start()
    moments = in_turns(
        1000 if kind == "sqlite" else 100,
        lambda: shut(store.path, halted(), 6.0)[1] or pytest.fail("a call went on"),
        lambda: note.change(lambda _: {}, is_adding=True, wait_s=1.0),
    )
    is_over.set()
    for thread in placing:
        thread.join()
    store.close()

    assert broken(moments, gateway.begun) == []
    assert len(gateway.begun) > (1000 if kind == "sqlite" else 50)


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_an_engine_under_load_places_nothing_between_halt_and_resume(null):
    numbers = count()

    def stop():
        number = next(numbers)
        null.tell(*(buy(f"s-{number}-{part}", 1) for part in range(8)))
        assert halt(null).is_quiet

    moments = in_turns(40, stop, lambda: resume(null))

    assert broken(moments, null.gateway.begun) == []
    null.until(lambda: len(null.gateway.begun) == 320)
    with open_reader(null.path) as reader:
        assert verify(reader).ok
        assert len(reader.records(stream="halt")) == 80
