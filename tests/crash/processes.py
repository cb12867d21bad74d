"""An engine in a process of its own, what it says, and what its books must come to."""

import json
import os
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

    def __init__(self, folder, plan, *, under=()):
        self.words = []
        self._said = Queue()
        self._process = subprocess.Popen(
            [
                *under,
                sys.executable,
                "-m",
                "tests.crash.engine_process",
                str(folder),
                json.dumps(plan),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
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
            # All of it, should something stand above the engine.
            os.killpg(self._process.pid, signal.SIGKILL)
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


def assert_books_agree(folder, acknowledged):
    """At the end of it all: nothing twice, nothing lost, nothing open, and a whole record."""
    orders = orders_in(folder)
    with open_reader(folder / "oncefill.db") as reader:
        assert verify(reader).ok, verify(reader)
        held = {position.symbol: position.qty for position in reader.positions() if position.qty}
    ledger = broker_ledger(folder)
    ids = [order.client_order_id for order in ledger.orders]
    assert len(ids) == len(set(ids)), "a signal has two orders at the broker"
    assert acknowledged <= {order.signal.signal_id for order in orders.values()}
    assert all(order.is_closed for order in orders.values())
    ours = {(f.broker_order_id, f.exec_id, f.last_qty) for o in orders.values() for f in o.fills}
    assert ours == {(f.broker_order_id, f.exec_id, f.last_qty) for f in ledger.fills}
    assert held == {p.symbol: p.qty for p in ledger.positions if p.qty}
