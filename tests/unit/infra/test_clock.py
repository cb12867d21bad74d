"""Time and timers of the real world."""

import threading
from datetime import timedelta

import pytest

from infra.clock import SystemClock, ThreadScheduler


@pytest.fixture
def scheduler():
    scheduler = ThreadScheduler()
    yield scheduler
    scheduler.stop()


def test_the_clock_is_aware_utc_and_goes_forward():
    clock = SystemClock()
    before = clock.monotonic()

    clock.sleep(0.001)

    assert clock.monotonic() - before >= 0.001
    assert clock.now().utcoffset() == timedelta(0)


def test_calls_are_made_in_the_order_in_which_they_are_due(scheduler):
    made = []
    done = threading.Event()

    scheduler.call_later(0.04, done.set)
    scheduler.call_later(0.02, lambda: made.append("second"))
    scheduler.call_later(0.02, lambda: made.append("third"))
    scheduler.call_later(-1, lambda: made.append("first"))

    assert done.wait(2)
    assert made == ["first", "second", "third"]


def test_a_cancelled_call_is_not_made(scheduler):
    made = []
    done = threading.Event()

    timer = scheduler.call_later(0.01, lambda: made.append("cancelled"))
    scheduler.call_later(0.02, done.set)
    timer.cancel()

    assert done.wait(2)
    timer.cancel()
    assert made == []


def test_a_call_that_fails_is_logged_and_the_next_is_made(scheduler):
    done = threading.Event()

    scheduler.call_later(0, lambda: 1 / 0)
    scheduler.call_later(0, done.set)

    assert done.wait(2)


def test_stopping_forgets_what_is_due_and_leaves_no_thread():
    scheduler = ThreadScheduler(name="timers-of-this-test")
    made = []
    scheduler.call_later(60, lambda: made.append("late"))

    scheduler.stop()
    scheduler.call_later(0, lambda: made.append("too late"))
    scheduler.stop()

    assert "timers-of-this-test" not in [thread.name for thread in threading.enumerate()]
    assert made == []


def test_a_scheduler_that_never_had_work_has_no_thread():
    before = threading.active_count()

    scheduler = ThreadScheduler()
    scheduler.stop()

    assert threading.active_count() == before


def test_a_call_may_stop_its_own_scheduler():
    scheduler = ThreadScheduler()
    stopped = threading.Event()

    def stop():
        scheduler.stop()
        stopped.set()

    scheduler.call_later(0, stop)

    assert stopped.wait(2)
    scheduler.stop()
