"""The served engine as a real process: its door, its end, its successor, halts from outside."""

import json
import random
import signal
import stat
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import pytest

from domain.events import Source
from infra.signals.client import NoAnswerError, ask_door
from infra.store.audit import verify
from infra.store.reading import open_reader
from tests.crash.ledger import broker_ledger

ROOT = Path(__file__).parents[2]
CONFIG = """session = "ALWAYS_OPEN"
signal_deadline_s = 600
[timing]
call_timeout_s = 0.5
send_window_s = 1
"""
OK, FAILED, WRONG_USE, NO_ENGINE, HALTED = 0, 1, 2, 3, 4

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


class Served:
    """Starts engines on one folder, and asks them things as a user does."""

    def __init__(self, folder):
        self.folder = folder / "engine"
        self.config = folder / "oncefill.toml"
        self.config.write_text(CONFIG)
        self.store = self.folder / "oncefill.db"

    def begin(self, *options):
        words = ["serve", "--store", self.folder, "--config", self.config, *options]
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
            [sys.executable, ROOT / "run.py", *words, "--store", self.folder],
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
        with open_reader(self.store) as reader:
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
        with open_reader(self.store) as reader:
            assert verify(reader).ok, verify(reader)
            orders = reader.orders()
        assert set(taken) <= {order.signal_id for order in orders}
        assert [order for order in orders if order.is_open] == []
        ids = [order.client_order_id for order in broker_ledger(self.folder).orders]
        assert len(ids) == len(set(ids)), "a signal has two orders at the broker"
        assert set(ids) == {order.client_order_id for order in orders if order.broker_order_id}

    def until_rest(self, count):
        for _ in range(1200):
            with open_reader(self.store) as reader:
                orders = reader.orders()
            if len(orders) >= count and not any(order.is_open for order in orders):
                return
            Event().wait(0.05)
        pytest.fail(f"still open: {[order for order in orders if order.is_open]}")


@pytest.fixture
def served(tmp_path):
    return Served(tmp_path)


def end(process, number=signal.SIGTERM):
    process.send_signal(number)
    out, err = process.communicate(timeout=12)
    return process.returncode, out, err


def test_an_order_is_placed_once_through_kill_and_restart(served):
    with served.engine() as first:
        assert served.place("m-1").returncode == OK
        again = json.loads(served.place("m-1", "--json").stdout)
        assert again["receipt"]["is_duplicate"]
        other = served.place("m-1", "--limit", "60000")
        assert (other.returncode, "signal_id" in other.stderr) == (WRONG_USE, True)
        assert served.place("m-2", "--limit", "a lot").returncode == WRONG_USE
        assert served.place("m-3", "--limit", "60000").returncode == OK
        assert served.run("order", "cancel", "nobody").returncode == WRONG_USE
        first.kill()
    assert served.run("status").returncode == NO_ENGINE
    assert served.place("m-1").returncode == NO_ENGINE

    with served.engine() as second:
        assert json.loads(served.place("m-1", "--json").stdout)["receipt"]["is_duplicate"]
        assert served.run("order", "cancel", "m-3").returncode == OK
        status = json.loads(served.run("status", "--json").stdout)["status"]
        assert (status["state"], status["pid"], status["epoch"]) == ("ready", second.pid, 2)
        served.until_rest(2)
        code, out, _ = end(second, signal.SIGINT)
        assert (code, "Stopped by SIGINT" in out) == (OK, True)

    assert served.run("order", "show", "m-1").returncode == OK
    served.check(["m-1", "m-3"])


def test_what_it_leaves_and_opens_is_for_its_owner_only(served):
    with served.engine():
        served.halt()
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in served.folder.iterdir()}
        assert stat.S_IMODE(served.folder.stat().st_mode) == 0o700
        assert "oncefill.sock" in modes
        assert {name for name, mode in modes.items() if mode & 0o077} == set()


def test_a_folder_that_is_open_to_others_is_refused(served):
    served.folder.mkdir(mode=0o755)

    with served.begin() as process:
        assert "chmod 700" in process.stderr.read()
    assert process.returncode == WRONG_USE


def test_a_wrong_setting_is_refused_by_file_and_key(served):
    served.config.write_text("[rate]\nrequest = 1")

    with served.begin() as process:
        assert "oncefill.toml: rate.request: unknown" in process.stderr.read()
    assert process.returncode == WRONG_USE


def test_a_second_engine_is_refused_and_the_holder_named(served):
    with served.engine() as first:
        with served.begin() as second:
            assert f"pid {first.pid}" in second.stderr.read()
        assert second.returncode == FAILED
        assert served.run("status").returncode == OK, "the first one's door is gone"


def test_a_stopped_engine_is_halted_from_outside_and_taken_over(served):
    with served.engine() as zombie:
        assert served.place("m-1").returncode == OK
        zombie.send_signal(signal.SIGSTOP)

        halted = json.loads(served.halt("--wait", "1", "--cancel").stdout)
        assert [halt["scope"] for halt in halted["halts"]] == ["account"]
        assert "hung" in halted["not_cancelled"]
        with served.engine("--take-over") as successor:
            assert zombie.wait(10) == -signal.SIGKILL
            held = served.place("m-2")
            assert (held.returncode, "Held back" in held.stdout) == (HALTED, True)
            assert served.run("status").returncode == HALTED
            assert served.run("halts").returncode == HALTED
            assert served.resume().returncode == OK
            served.until_rest(2)
            assert end(successor)[0] == OK
    served.check(["m-1", "m-2"])


def test_an_engine_stopped_under_load_places_nothing_after_a_halt_when_it_goes_on(served):
    with served.engine() as engine:
        feed = [Thread(target=served.signal, args=(f"m-{n}",)) for n in range(30)]
        for thread in feed:
            thread.start()
        Event().wait(0.5)
        engine.send_signal(signal.SIGSTOP)
        report = json.loads(served.halt("--wait", "1").stdout)

        engine.send_signal(signal.SIGCONT)
        went_on = datetime.now(UTC)
        Event().wait(3.0)

        # Stopped in the middle of a call it finishes that one: such are named.
        late = served.placed(went_on + timedelta(seconds=0.5), datetime.now(UTC))
        assert (late, report["is_quiet"] or report["in_flight"] != []) == ([], True)
        for thread in feed:
            thread.join()
        assert served.resume().returncode == OK
        served.until_rest(30)
        assert end(engine)[0] == OK
    served.check([f"m-{n}" for n in range(30)])


def test_sigterm_under_load_ends_in_time_and_loses_no_order(served):
    taken, is_over = [], Event()

    def tell(feed):
        for number in range(1000):
            if is_over.is_set() or not served.signal(f"{feed}-{number}"):
                return
            taken.append(f"{feed}-{number}")

    with served.engine() as engine:
        feed = [Thread(target=tell, args=(name,)) for name in "abcd"]
        for thread in feed:
            thread.start()
        Event().wait(2.0)
        code, out, err = end(engine)
        is_over.set()
        for thread in feed:
            thread.join()
    assert (code, err) == (OK, "")
    assert "Stopped by SIGTERM" in out
    assert len(taken) > 20
    assert not (served.folder / "oncefill.sock").exists()

    with served.engine() as again:
        served.until_rest(len(taken))
        assert end(again)[0] == OK
    served.check(taken)


@pytest.mark.parametrize("seed", [1, 2])
def test_halts_hold_under_load_and_kill_9(served, seed):
    dice, taken, is_over = random.Random(seed), [], Event()

    def tell(feed):
        for number in range(40):
            while not served.signal(f"{feed}-{number}") and not is_over.wait(0.05):
                pass
            taken.append(f"{feed}-{number}")

    feed = [Thread(target=tell, args=(name,)) for name in "ab"]
    for thread in feed:
        thread.start()
    for _ in range(2):
        halted_and_killed_twice(served, dice)
    with served.engine() as last:
        for thread in feed:
            thread.join()
        served.until_rest(80)
        assert end(last)[0] == OK
    is_over.set()
    served.check(taken)
    assert len(taken) == 80


def halted_and_killed_twice(served, dice):
    with served.engine() as engine:
        Event().wait(dice.random() * 2)
        report = json.loads(served.halt().stdout)
        assert report["is_quiet"]
        # The last answers are being written down.
        began = datetime.now(UTC) + timedelta(seconds=0.3)
        Event().wait(1 + dice.random())
        engine.kill()
    with served.engine() as engine:
        Event().wait(1 + dice.random())
        ended = datetime.now(UTC)
        assert served.resume().returncode == OK
        assert served.placed(began, ended) == [], "an order left in a halt"
        Event().wait(dice.random() * 2)
        engine.kill()
