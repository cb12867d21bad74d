"""What a hostile reader found: late calls, lost news, stepped clocks, hung callers."""

import sqlite3
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from threading import Timer

import pytest
import structlog

from domain.errors import EngineStoppedError, InvalidInputError, OutcomeUnknownError
from infra.brokers.paper import FaultKind, FaultPlan, PaperSettings
from tests.desks import LiveDesk, buy, cancel
from tests.unit.actors.rigs import NO_STREAM, StormDesk

LIMIT = Decimal(69_000)


@pytest.fixture
def desk(tmp_path):
    made = StormDesk(tmp_path, paper=PaperSettings(latency_s=(0.01, 0.01), hidden_s=0.4))
    yield made
    made.stop()


def sleep_once(desk, name, seconds):
    """Let the next call of that name leave late, as after a pause of the whole process."""

    def late(*_):
        del desk.gateway.before[name]
        desk.system.sleep(seconds)

    desk.gateway.before[name] = late


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_request_that_left_long_after_its_time_is_waited_for_before_absence_counts(
    desk, is_restarted
):
    lost = FaultPlan.script({("place", 1): "http_500_after"}, rates={FaultKind.LOST: 1.0})
    desk.start(faults=lost).run_for(2)
    sleep_once(desk, "place_order", 12.0)
    desk.tell(buy())
    desk.run_for(1)
    if is_restarted:
        desk.actor_of().tell(object())

    desk.until_rest()

    assert (desk.status(), len(desk.times_of("place_order"))) == ("FILLED", 1)
    desk.check()


def test_a_fill_in_the_hands_of_an_executor_that_crashes_is_told_again(desk):
    held = []
    desk.start(faults=FaultPlan())
    desk.tell(buy(limit_px=LIMIT))
    desk.run_for(15)
    broker = desk.gateway._gateway.broker
    tell = desk.gateway._gateway.stream.publish
    broker.listen(held.append)
    desk.quote(68_000, volume=300)
    desk.tell(cancel())
    desk.until(lambda: desk.status() == "CANCELLED" and not desk.has_actor())
    broker.listen(tell)
    executor = desk.engine.actor("executor")
    loader = executor.actor_inbox.cell.actor

    def load_and_crash(known, then):
        type(loader).load_order(loader, known, then)
        executor.tell_control(object())

    loader.load_order = load_and_crash
    desk.engine.actor("tracker").tell(next(n for n in held if type(n).__name__ == "FillNews"))
    desk.run_for(90)

    desk.check()


def test_a_fill_that_one_failed_poll_would_have_brought_comes_with_the_next(desk):
    desk.start(faults=NO_STREAM).tell(buy(limit_px=LIMIT))
    desk.run_for(15)
    until_s = desk.system.monotonic() + 3

    def fail(*_):
        if desk.system.monotonic() < until_s:
            msg = "HTTP 500"
            raise OutcomeUnknownError(msg)

    desk.gateway.before["list_orders"] = fail
    desk.quote(68_000, volume=300)
    desk.tell(cancel())

    desk.run_for(30)

    desk.check()
    assert desk.order().cum_qty == 30


def test_a_cancel_told_twice_is_acknowledged_only_when_it_is_durable(desk):
    desk.start().tell(buy(limit_px=LIMIT))
    desk.run_for(5)
    first, second = desk.engine.ask(cancel()), desk.engine.ask(cancel())

    desk.until(lambda: first.done() or second.done())

    with sqlite3.connect(desk.path) as raw:
        count = "SELECT count(*) FROM journal WHERE kind = 'CancelRequested'"
        assert raw.execute(count).fetchone() == (1,)
    raw.close()


def test_a_wall_clock_that_steps_back_sends_nothing_late(desk):
    desk.start(faults=FaultPlan.script({("place", 1): "not_sent"})).run_for(2)
    desk.tell(buy())
    desk.until(lambda: "order.retry" in desk.topics())

    desk.system._start -= timedelta(hours=1)
    desk.until_rest(within_s=5)

    assert (desk.status(), desk.order().attempts) == ("FILLED", 2)


def test_a_slow_guard_does_not_bunch_requests_up(desk, monkeypatch):
    desk.paper = PaperSettings(latency_s=(0.001, 0.001))
    desk.start().run_for(3)
    door = desk.engine.actor("broker").actor_inbox.cell.actor._door
    hold, slept = type(door.guard).hold, []

    def slow(guard, **order):
        if not slept:
            slept.append(True)
            desk.system.sleep(0.8)
        return hold(guard, **order)

    monkeypatch.setattr(type(door.guard), "hold", slow)
    desk.tell(*(buy(f"s-{n}", 1) for n in range(60)))
    desk.run_for(10)

    sent = desk.times_of()
    assert all(late - early > 1.0 for early, late in zip(sent, sent[20:], strict=False))


def test_an_ask_that_meets_the_end_of_the_engine_is_answered(desk):
    desk.start().run_for(2)
    require = desk.engine._require_open

    def fail_after_the_check():
        require()
        desk.engine._fail(RuntimeError("the ground is gone"))

    desk.engine._require_open = fail_after_the_check
    future = desk.engine.ask(buy())
    desk.engine._require_open = require

    assert isinstance(future.exception(timeout=0), EngineStoppedError)


class Evil(Mapping):
    """A mapping that raises, with a secret, when it is touched."""

    def __iter__(self):
        return iter(("signal_id",))

    def __len__(self):
        return 1

    def __getitem__(self, key):
        msg = "TOKEN-abcdef"
        raise KeyError(msg)


def test_a_mapping_that_misbehaves_is_refused_and_touches_no_actor(desk):
    desk.start().run_for(2)
    with structlog.testing.capture_logs() as lines:
        with pytest.raises(InvalidInputError, match="cannot be read"):
            desk.ask(Evil())
        desk.tell(Evil())
        desk.run_for(1)

    assert desk.engine.stats().restarts == 0
    assert "signal.refused" in [topic for r in desk.records for topic in r.topics]
    assert "TOKEN" not in str(lines)


def test_a_cancel_in_the_mailbox_of_an_order_that_failed_too_often_is_answered_at_last(desk):
    desk.start().tell(buy(limit_px=LIMIT))
    desk.run_for(15)
    for _ in range(8):
        desk.actor_of().tell(object())
    desk.run_for(0.3)
    future = desk.engine.ask(cancel())

    desk.until(future.done, within_s=120)

    desk.until_status("CANCELLED", within_s=60)


def test_request_ids_of_cancels_never_repeat(desk):
    refused = FaultPlan.script({("cancel", n): "not_sent" for n in range(1, 6)})
    desk.start(faults=refused).tell(buy(limit_px=LIMIT))
    desk.run_for(5)
    desk.tell(cancel())
    desk.until(lambda: "order.cancel_refused" in desk.topics(), within_s=120)

    desk.tell(cancel())
    desk.until_status("CANCELLED")

    ids = [
        event.request_id for event in (r.event for r in desk.of()) if hasattr(event, "request_id")
    ]
    assert len(ids) == len(set(ids)) == 6


@pytest.mark.slow
def test_a_database_locked_for_six_seconds_is_waited_for(tmp_path):
    desk = LiveDesk(tmp_path).start()
    other = sqlite3.connect(desk.path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = Timer(6.0, lambda: other.execute("ROLLBACK"))
    release.start()

    receipt = desk.engine.ask(buy()).result(timeout=15)

    release.join()
    other.close()
    assert receipt.signal_id == "s-1"
    desk.until_rest()
    desk.stop()
