"""A served engine as a process of its own, asked as a user asks it."""

import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import pytest

from domain.events import Source
from infra.signals.address import folder_of
from infra.signals.client import NoAnswerError, ask_door
from infra.store.audit import verify
from infra.store.places import place_of
from infra.store.reading import open_reader_at
from tests.crash.ledger import broker_ledger

ROOT = Path(__file__).parents[2]
CONFIG = """session = "ALWAYS_OPEN"
signal_deadline_s = 600
[timing]
call_timeout_s = 0.5
send_window_s = 1
"""
OK, FAILED, WRONG_USE, NO_ENGINE, HALTED = 0, 1, 2, 3, 4


class Served:
    """Starts engines on one folder, and asks them things as a user does."""

    def __init__(self, folder, url=None):
        self.named = url or folder / "engine"
        self.options = ("--store", self.named)
        self.config = folder / "oncefill.toml"
        self.config.write_text(CONFIG)
        self.store = place_of(url or folder / "engine" / "oncefill.db")
        self.folder = folder_of(self.store)

    def begin(self, *options):
        words = ["serve", *self.options, "--config", self.config, *options]
        return subprocess.Popen(
            [sys.executable, ROOT / "run.py", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def engine(self, *options):
        with self.begin(*options) as process:
            try:
                said = process.stdout.readline()
                while said and not said.startswith("Ready"):
                    said = process.stdout.readline()
                assert said, process.stderr.read()
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def run(self, *words):
        return subprocess.run(
            [sys.executable, ROOT / "run.py", *words, *self.options],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def place(self, signal_id, *options):
        words = ("order", "place", "005930", "BUY", "10", "--signal-id", signal_id)
        return self.run(*words, *options)

    def halt(self, *options):
        return self.run("halt", "--scope", "account", "--reason", "a test", "--json", *options)

    def resume(self):
        return self.run("resume", "--scope", "account", "--reason", "over")

    def placed(self, after, before):
        """Return the placements that the broker answered between two moments."""
        with open_reader_at(self.store) as reader:
            events = [record.event for record in reader.records()]
        answers = [e.at for e in events if getattr(e, "source", None) is Source.ANSWER]
        return [at for at in answers if after < at < before]

    def signal(self, signal_id):
        """Tell a signal as a feed does: again and again until it has its receipt."""
        wish = {"signal_id": signal_id, "symbol": "005930", "side": "BUY", "order_qty": "1"}
        try:
            return "receipt" in ask_door(self.store, {"signal": wish}, patience_s=15)
        except NoAnswerError:
            return False

    def check(self, taken):
        """Every signal taken has its one order, which has ended; ours and the broker's agree."""
        with open_reader_at(self.store) as reader:
            assert verify(reader).ok, verify(reader)
            orders = reader.orders()
        assert set(taken) <= {order.signal_id for order in orders}
        assert [order for order in orders if order.is_open] == []
        ids = [order.client_order_id for order in broker_ledger(self.folder).orders]
        assert len(ids) == len(set(ids)), "a signal has two orders at the broker"
        assert set(ids) == {order.client_order_id for order in orders if order.broker_order_id}

    def until_rest(self, count):
        for _ in range(1200):
            with open_reader_at(self.store) as reader:
                orders = reader.orders()
            if len(orders) >= count and not any(order.is_open for order in orders):
                return
            Event().wait(0.05)
        pytest.fail(f"still open: {[order for order in orders if order.is_open]}")


def end(process, number=signal.SIGTERM):
    process.send_signal(number)
    out, err = process.communicate(timeout=12)
    return process.returncode, out, err


def place_nothing_after_a_halt_while_stopped(served, stop_s):
    """Stop an engine under load, halt, and let it go on: it places nothing more."""
    with served.engine() as engine:
        feed = [Thread(target=served.signal, args=(f"m-{n}",)) for n in range(30)]
        for thread in feed:
            thread.start()
        Event().wait(stop_s)
        engine.send_signal(signal.SIGSTOP)
        report = json.loads(served.halt("--wait", "1").stdout)
        assert [halt["scope"] for halt in report["halts"]] == ["account"]

        engine.send_signal(signal.SIGCONT)
        went_on = datetime.now(UTC)
        Event().wait(3.0)

        # Stopped in the middle of a call it finishes that one: such are named.
        late = served.placed(went_on + timedelta(seconds=0.5), datetime.now(UTC))
        assert (late, report["is_quiet"] or report["in_flight"] != []) == ([], True)
        for thread in feed:
            thread.join()
        assert served.run("status").returncode == HALTED
        assert served.resume().returncode == OK
        served.until_rest(30)
        assert end(engine)[0] == OK
    served.check([f"m-{n}" for n in range(30)])
