"""What a runner holds: told, asked, stopped, failed, and what is left of it then."""

import itertools
import threading
from datetime import timedelta
from decimal import Decimal

import pytest

from actors.engine import Engine, Ports
from actors.limits import RequestBucket
from actors.messages import Told
from domain.errors import EngineStoppedError, InvalidInputError, StoreError
from infra.brokers.paper import PaperSettings
from infra.store.reading import open_reader
from infra.store.store import open_store
from tests.desks import LiveDesk, buy, cancel
from tests.unit.actors.rigs import setting

LIMIT = Decimal(60_000)


@pytest.fixture
def live(tmp_path):
    made = LiveDesk(tmp_path)
    yield made
    made.stop()


def kinds(desk):
    with open_reader(desk.path) as reader:
        return [record.kind for record in reader.records()]


def test_an_engine_that_was_not_started_says_so(desk):
    engine = Engine(desk.settings, Ports(store=None, gateway=None, system=None))

    with pytest.raises(EngineStoppedError, match="takes no signals"):
        engine.tell(buy())
    with pytest.raises(EngineStoppedError, match="call start"):
        engine.subscribe(print)
    assert engine.stop() == ()


def test_whoever_asked_for_what_was_put_aside_is_answered(desk):
    """Found by simulation: it crashed the executor twice before anybody had taken it in."""
    desk.start().run_for(2)
    answers = []

    desk.system.quarantined("executor", Told(cancel(), answers.append), RuntimeError())
    desk.system.quarantined("executor", Told(cancel()), RuntimeError())

    assert [type(answer) for answer in answers] == [EngineStoppedError]
    assert "put aside" in str(answers[0])


def test_a_stopped_engine_takes_nothing_and_may_be_stopped_again(desk):
    desk.start().run_for(2)
    assert desk.engine.stop() == ()

    for wish in (buy(), cancel()):
        with pytest.raises(EngineStoppedError):
            desk.engine.tell(wish)
        with pytest.raises(EngineStoppedError):
            desk.engine.ask(wish)
    assert desk.engine.stop() == ()
    assert kinds(desk)[-1] == "EngineStopped"


def test_stopping_lets_a_call_under_way_end_and_writes_its_answer_down(desk):
    desk.paper = PaperSettings(latency_s=(0.5, 0.5))
    desk.start().run_for(2)
    desk.tell(buy(limit_px=LIMIT))
    desk.until(lambda: "place_order" in desk.names())

    assert desk.engine.stop() == ()

    assert "Accepted" in kinds(desk)
    assert "SubmitDoubted" not in kinds(desk)


def test_stopping_starts_no_new_order(desk):
    desk.start()
    desk.tell(*(buy(f"s-{n}", 1) for n in range(50)))
    desk.run_for(1.3)

    assert desk.engine.stop() == ()

    placed = desk.names().count("place_order")
    assert placed < 50
    assert kinds(desk).count("SubmitStarted") == placed


def test_asks_that_nobody_can_answer_any_more_fail_when_the_engine_stops(desk):
    desk.start()
    future = desk.engine.ask(buy())

    desk.engine.stop()

    assert future.done()
    assert future.exception() is None or isinstance(future.exception(), EngineStoppedError)


def test_a_future_that_its_owner_cancelled_harms_nobody(desk):
    desk.start()
    assert desk.engine.ask(buy()).cancel()

    desk.until_rest()

    assert desk.engine.stats().quarantined == 0


def test_asks_fail_when_the_executor_restarts_and_the_signal_told_again_is_the_same_order(desk):
    desk.start().run_for(2)
    future = desk.engine.ask(buy())
    desk.crash("executor")
    desk.until(future.done)

    with pytest.raises(EngineStoppedError, match="tell the signal again"):
        future.result(timeout=0)
    desk.ask(buy())
    desk.until_rest()
    assert len(desk.ledger().orders) == 1


def test_an_ask_to_cancel_is_answered_although_the_order_crashes(desk):
    desk.start().run_for(2)
    desk.tell(buy(limit_px=LIMIT))
    desk.resting()

    future = desk.engine.ask(cancel())
    desk.until(lambda: desk.actor_of().actor_inbox.depth() or future.done())
    desk.crash_order()

    desk.until(future.done, within_s=30)
    desk.until_status("CANCELLED")


def test_an_ask_to_cancel_a_signal_that_risk_refuses_is_answered(desk):
    desk.start().run_for(2)

    desk.tell(buy(order_qty=2_000_000))
    future = desk.engine.ask(cancel())

    desk.until(future.done, within_s=30)


def test_a_cancel_of_an_unknown_signal_names_the_field(desk):
    desk.start()

    with pytest.raises(InvalidInputError) as refused:
        desk.ask(cancel("never-told"))
    desk.tell(cancel("never-told"))
    desk.until(lambda: "signal.refused" in [t for r in desk.records for t in r.topics])

    assert refused.value.field == "signal_id"


def test_a_store_that_cannot_be_written_fails_the_engine_and_nothing_is_sent(desk):
    desk.start().run_for(2)

    def broken():
        msg = "disk full"
        raise StoreError(msg)

    desk.engine._tree.journal.drain = broken
    future = desk.engine.ask(buy())
    desk.run_for(60)

    assert desk.engine.failed.is_set()
    assert isinstance(desk.engine.error, StoreError)
    assert isinstance(future.exception(timeout=0), EngineStoppedError)
    assert "place_order" not in desk.names()
    with pytest.raises(EngineStoppedError, match="disk full"):
        desk.engine.tell(buy("s-2"))


def test_an_engine_that_was_taken_over_fails_and_sends_nothing(desk):
    desk.start().run_for(2)

    desk.store.journal()  # Another one bumps the epoch.
    desk.tell(buy())
    desk.run_for(30)

    assert desk.engine.failed.is_set()
    assert "place_order" not in desk.names()


def test_a_top_actor_that_fails_too_often_fails_a_simulated_engine(desk):
    desk.start().run_for(2)

    for _ in range(4):
        desk.crash("executor")
    desk.run_for(120)

    assert desk.engine.failed.is_set()


def test_a_runner_may_bring_its_own_bucket(desk):
    bucket = RequestBucket(requests=1, window_s=1.0, now_s=-10.0)
    desk.start()
    desk.engine.stop()
    desk.store = open_store(desk.path, account_id=desk.settings.account_id, clock=desk.clock)
    desk.system = type(desk.system)(start=desk.clock.now() + timedelta(seconds=5))
    desk.clock = desk.system
    desk.gateway = desk.open_gateway(desk.system, desk.system, None)
    ports = Ports(store=desk.store, gateway=desk.gateway, system=lambda: desk.system, bucket=bucket)
    desk.engine = Engine(desk.settings, ports).start()
    desk.listen()
    desk.quote(70_000)

    desk.tell(*(buy(f"s-{n}", 1) for n in range(3)))
    desk.until_rest("s-0", "s-1", "s-2")

    times = desk.times_of()
    assert all(late - early > 1.0 for early, late in itertools.pairwise(times))


def test_stats_show_every_actor_and_what_went_wrong(desk):
    desk.start().run_for(2)
    desk.crash("tracker")
    desk.run_for(1)

    stats = desk.engine.stats()

    names = {actor.name for actor in stats.actors}
    assert {"broker", "position", "bus", "executor", "tracker"} <= names
    assert (stats.quarantined, stats.restarts) == (1, 2)


@pytest.mark.live
@pytest.mark.slow
def test_a_live_engine_leaves_no_thread(tmp_path):
    before = set(threading.enumerate())
    desk = LiveDesk(tmp_path).start()
    desk.tell(buy())
    desk.until_rest()

    assert desk.engine.stop() == ()

    assert set(threading.enumerate()) <= before


@pytest.mark.live
@pytest.mark.slow
def test_a_live_engine_builds_its_tree_again_under_a_new_epoch(live):
    setting(live, signal_deadline=timedelta(minutes=5))
    live.start()
    epoch = live.store.epoch
    live.tell(buy(limit_px=LIMIT))
    live.until(lambda: "order.accepted" in live.topics())

    for _ in range(4):
        live.crash("tracker")
    live.until(lambda: live.store.epoch > epoch)
    live.until(lambda: live.engine._healer is not None and not live.engine._healer.is_alive())

    live.ask(cancel())
    live.until_status("CANCELLED")
    assert not live.engine.failed.is_set()


@pytest.mark.live
@pytest.mark.slow
def test_a_live_engine_fails_when_its_tree_was_rebuilt_too_often(live):
    setting(live, max_tree_rebuilds=0)
    live.start()
    future = None

    for _ in range(4):
        live.crash("position")
    live.until(live.engine.failed.is_set)

    with pytest.raises(EngineStoppedError):
        future = live.engine.ask(buy())
    assert future is None
