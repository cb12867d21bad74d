"""A real process and a real SIGKILL: what was acknowledged is kept, and nothing is sent twice."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

import pytest

from domain.order import evolve
from infra.store.audit import verify
from infra.store.reading import open_reader
from tests.crash.ledger import broker_ledger

ROOT = Path(__file__).parents[2]
ENDED = {"order.filled", "order.failed", "order.rejected", "order.cancelled"}


class Process:
    """One life of the engine."""

    def __init__(self, folder, plan):
        self.words = []
        self._said = Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.engine_process", str(folder), json.dumps(plan)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def until(self, condition, within_s=30):
        """Listen until what was said so far meets ``condition``."""
        while not condition(self.words):
            try:
                self.words.append(self._said.get(timeout=within_s))
            except Empty:
                pytest.fail(f"the engine said nothing for {within_s} s: {self.words[-3:]}")

    def kill(self):
        if self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
        self._end()

    def stop(self):
        self._process.stdin.write("stop\n")
        self._process.stdin.flush()
        self.until(lambda words: any("stopped" in word for word in words))
        assert self._process.wait(10) == 0

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.kill()

    def _end(self):
        self._reader.join(10)
        self._process.stdin.close()
        self._process.stdout.close()

    def _read(self):
        for line in self._process.stdout:
            # A kill may cut the last line; then it was not said.
            if line.endswith("\n"):
                self._said.put(json.loads(line))


def topics(words):
    return [topic for word in words for topic in word.get("topics", ())]


def write_signals(folder, count):
    lines = (
        json.dumps(
            {
                "signal_id": f"s-{number}",
                "account_id": "paper",
                "symbol": "005930",
                "side": "BUY" if number % 3 else "SELL",
                "order_qty": "10",
                # Killed and started again for minutes, it must still be sent.
                "deadline": "2099-01-01T00:00:00+00:00",
            }
        )
        for number in range(count)
    )
    (folder / "signals.jsonl").write_text("\n".join(lines))


def orders_in(folder):
    folded = {}
    with open_reader(folder / "oncefill.db") as reader:
        for record in reader.records(after=0, limit=1_000_000):
            if record.stream.startswith("order/"):
                folded[record.stream] = evolve(folded.get(record.stream), record.event)
    return folded


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_retry_goes_on_where_a_kill_between_two_attempts_stopped_it(tmp_path):
    write_signals(tmp_path, 1)
    plan = {"script": {str(call): "not_sent" for call in range(1, 9)}}
    with Process(tmp_path, plan) as first:
        first.until(lambda words: sum(word.get("used_attempt", False) for word in words) == 2)

    with Process(tmp_path, plan) as second:
        second.until(lambda words: "order.failed" in topics(words))
        second.stop()

    with open_reader(tmp_path / "oncefill.db") as reader:
        events = [record.event for record in reader.records(after=0, limit=1000)]
        assert verify(reader).ok
    failed = [event for event in events if getattr(event, "is_counted", False)]
    assert [event.attempt for event in failed] == [1, 2, 3, 4]
    assert [event.retry_in_s for event in failed] == [1.0, 2.0, 4.0, None]
    for ended, wait_s in zip(failed, (1, 2, 4), strict=False):
        begun = next(
            event.since
            for event in events
            if type(event).__name__ == "SubmitStarted" and event.attempt == ended.attempt + 1
        )
        assert (begun - ended.at).total_seconds() >= wait_s
    assert broker_ledger(tmp_path).orders == ()


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", [1, 2])
def test_kills_at_random_moments_double_and_lose_nothing(tmp_path, seed):
    dice = random.Random(seed)
    write_signals(tmp_path, 24)
    rates = {"answer_lost_after_booking": 0.1, "answer_lost_before_booking": 0.05, "not_sent": 0.1}
    acknowledged = set()
    for life in range(5):
        enough = dice.randint(1, 40)
        with Process(tmp_path, {"rates": rates, "seed": seed * 100 + life}) as engine:
            engine.until(lambda words, enough=enough: len(words) >= enough)
        acknowledged |= {word["acknowledged"] for word in engine.words if "acknowledged" in word}
    with Process(tmp_path, {}) as last:
        last.until(lambda words: sum(topic in ENDED for topic in topics(words)) >= 24, 60)
        last.stop()

    orders = orders_in(tmp_path)
    with open_reader(tmp_path / "oncefill.db") as reader:
        assert verify(reader).ok, verify(reader)
        held = {position.symbol: position.qty for position in reader.positions() if position.qty}
    ledger = broker_ledger(tmp_path)
    ids = [order.client_order_id for order in ledger.orders]
    assert len(ids) == len(set(ids)), "a signal has two orders at the broker"
    assert acknowledged <= {order.signal.signal_id for order in orders.values()}
    assert all(order.is_closed for order in orders.values())
    ours = {(f.broker_order_id, f.exec_id, f.last_qty) for o in orders.values() for f in o.fills}
    assert ours == {(f.broker_order_id, f.exec_id, f.last_qty) for f in ledger.fills}
    assert held == {p.symbol: p.qty for p in ledger.positions if p.qty}
