"""A runner as users write it: it spawns the engine, tells signals, and survives crashes in it."""

import threading
from decimal import Decimal

import pytest

from domain.errors import AccountLockedError, EngineStoppedError
from run import Cancel, Settings, Signal, start_engine
from tests.desks import LiveDesk, buy


class LiveTradingRunner:
    """Calls the engine where it used to call ``_execute_order``, and listens to its events."""

    def __init__(self, folder, settings, gateway):
        self.topics = []
        self.ended = threading.Event()
        self.expected = 0
        self._engine = start_engine(settings, store=folder / "oncefill.db", gateway=gateway)
        self._engine.subscribe(self._on_event)

    @property
    def engine(self):
        return self._engine

    def execute_order(self, signal):
        self.expected += 1
        self._engine.tell(signal)

    def close(self):
        return self._engine.stop()

    def _on_event(self, record):
        self.topics += record.topics
        ends = ("order.filled", "order.rejected", "order.failed", "order.cancelled")
        if sum(self.topics.count(end) for end in ends) >= self.expected:
            self.ended.set()


@pytest.fixture
def desk(tmp_path):
    """Only its gateway is used here: the runner starts the engine."""
    return LiveDesk(tmp_path)


@pytest.fixture
def runner(tmp_path, desk):
    def gateway(clock, scheduler):
        desk.clock = clock
        desk.gateway = desk.open_gateway(clock, scheduler, None)
        desk.quote(70_000)
        return desk.gateway

    made = LiveTradingRunner(tmp_path, desk.settings, gateway)
    yield made
    assert made.close() == ()


def live_orders(runner):
    return [name for name in runner.engine.system.actors if name.startswith("order/")]


def test_a_runner_ends_with_the_right_orders_though_actors_crash_in_turn(runner, desk):
    ids = [f"s-{n}" for n in range(12)]
    for number, signal_id in enumerate(ids):
        runner.execute_order(buy(signal_id, 10))
        if number % 4 == 1:
            victim = ("broker", "position", "executor")[number // 4]
            runner.engine.actor(victim).tell(object())
    # Late in the list of twelve, so that it still waits for its turn when it crashes.
    desk.until(lambda: len(live_orders(runner)) > 3)
    runner.engine.actor(live_orders(runner)[-1]).tell(object())

    assert runner.ended.wait(15)

    desk.until(lambda: desk.positions().get("005930") is not None)
    desk.until(lambda: desk.positions()["005930"].qty == 120)
    placed = desk.ledger().orders
    assert len(placed) == len({order.client_order_id for order in placed}) == 12
    assert runner.topics.count("order.filled") == 12
    assert runner.engine.stats().restarts >= 4


def test_a_tree_whose_root_failed_is_built_again_and_goes_on(runner, desk):
    runner.execute_order(buy("before", 10))
    assert runner.ended.wait(10)
    runner.ended.clear()
    epoch = runner.engine.epoch

    runner.engine.system.fatal(RuntimeError("the root has failed"))
    desk.until(lambda: runner.engine.epoch > epoch)
    runner.execute_order(buy("after", 10))

    assert runner.ended.wait(15)
    desk.until(lambda: desk.positions()["005930"].qty == 20)
    assert not runner.engine.failed.is_set()


def test_an_engine_that_fails_for_good_says_so_and_never_ends_the_process(tmp_path, desk):
    settings = Settings(session=desk.settings.session, max_tree_rebuilds=0)
    engine = start_engine(settings, store=tmp_path / "oncefill.db")

    engine.system.fatal(RuntimeError("the root has failed"))

    assert engine.failed.wait(5)
    with pytest.raises(EngineStoppedError, match="the root has failed"):
        engine.tell(buy())
    assert engine.stop() == ()


def test_a_second_engine_on_the_same_account_refuses_and_names_the_holder(runner, desk, tmp_path):
    with pytest.raises(AccountLockedError, match=r"pid|process"):
        start_engine(desk.settings, store=tmp_path / "oncefill.db")


def test_ten_lines_are_enough(tmp_path):
    threads = set(threading.enumerate())
    engine = start_engine(
        store=tmp_path / "oncefill.db", session=LiveDesk(tmp_path).settings.session
    )
    seen = []
    engine.subscribe(seen.append)
    signal = Signal(
        signal_id="mine-1", account_id="paper", symbol="005930", side="BUY", order_qty=Decimal(10)
    )
    receipt = engine.ask(signal).result(timeout=10)
    engine.tell(Cancel(signal_id="mine-1", account_id="paper"))

    assert len(receipt.client_order_id) == 20
    assert engine.stop() == ()
    assert set(threading.enumerate()) <= threads
