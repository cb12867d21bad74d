"""The served engine as a real process: its door, its end, its successor, halts from outside."""

import json
import random
import signal
import stat
from datetime import UTC, datetime, timedelta
from threading import Event, Thread

import pytest

from tests.crash.served import (
    FAILED,
    HALTED,
    NO_ENGINE,
    OK,
    WRONG_USE,
    Served,
    end,
    place_nothing_after_a_halt_while_stopped,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def served(tmp_path):
    return Served(tmp_path)


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
        assert served.place("m-4", "--limit", "60000").returncode == OK
        assert served.run("order", "cancel", "--all").returncode == WRONG_USE
        cancelled = served.run("order", "cancel", "--all", "--reason", "a test", "--json")
        assert "m-4" in json.loads(cancelled.stdout)["cancelled"]
        status = json.loads(served.run("status", "--json").stdout)["status"]
        assert (status["state"], status["pid"], status["epoch"]) == ("ready", second.pid, 2)
        served.until_rest(3)
        assert json.loads(served.run("reconcile", "--json").stdout) == {"differs": []}
        assert served.run("reconcile").returncode == OK
        code, out, _ = end(second, signal.SIGINT)
        assert (code, "Stopped by SIGINT" in out) == (OK, True)

    assert served.run("order", "show", "m-1").returncode == OK
    served.check(["m-1", "m-3", "m-4"])


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
    place_nothing_after_a_halt_while_stopped(served, 0.5)


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
