"""The served engine on a real PostgreSQL server: its door, halts from outside, kill -9."""

import json
import signal
import stat

import pytest

from infra.signals.address import RUNTIME
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
from tests.servers import somebody

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def served(tmp_path, postgres, monkeypatch):
    monkeypatch.setenv(RUNTIME, str(tmp_path / "runtime"))
    return Served(tmp_path, postgres.url())


def test_an_order_is_placed_once_through_kill_and_restart(served):
    with served.engine() as first:
        assert served.place("m-1").returncode == OK
        assert json.loads(served.place("m-1", "--json").stdout)["receipt"]["is_duplicate"]
        assert served.place("m-3", "--limit", "60000").returncode == OK
        no_doubt = served.run("order", "resolve", "m-3", "--absent", "--reason", "x")
        assert (no_doubt.returncode, "not IN_DOUBT" in no_doubt.stderr) == (WRONG_USE, True)
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in served.folder.iterdir()}
        assert {name for name, mode in modes.items() if mode & 0o077} == set()
        assert stat.S_IMODE(served.folder.stat().st_mode) == 0o700
        assert {"oncefill.sock", "oncefill.log", "paper.db"} <= set(modes)
        with served.begin() as second:
            assert f"pid {first.pid}" in second.stderr.read()
        assert second.returncode == FAILED
        first.kill()
    assert served.run("status").returncode == NO_ENGINE

    with served.engine() as again:
        assert json.loads(served.place("m-1", "--json").stdout)["receipt"]["is_duplicate"]
        assert served.run("order", "cancel", "m-3").returncode == OK
        status = json.loads(served.run("status", "--json").stdout)["status"]
        assert (status["state"], status["pid"], status["epoch"]) == ("ready", again.pid, 2)
        served.until_rest(2)
        assert end(again)[0] == OK
    assert not (served.folder / "oncefill.sock").exists()
    served.check(["m-1", "m-3"])


def test_the_store_can_be_named_in_the_settings_and_by_a_variable(served, monkeypatch):
    served.config.write_text(f'store = "{served.named}"\n{served.config.read_text()}')
    served.options = ()
    with served.engine() as engine:
        monkeypatch.setenv("ONCEFILL_STORE", served.named)
        assert served.run("status").returncode == OK
        assert served.place("m-1").returncode == OK
        served.until_rest(1)
        assert end(engine)[0] == OK


def test_a_stopped_engine_is_taken_over(served):
    with served.engine() as zombie:
        assert served.place("m-1").returncode == OK
        zombie.send_signal(signal.SIGSTOP)
        with served.engine("--take-over") as successor:
            assert zombie.wait(10) == -signal.SIGKILL
            assert served.place("m-2").returncode == OK
            served.until_rest(2)
            assert end(successor)[0] == OK
    served.check(["m-1", "m-2"])


def test_a_take_over_where_nobody_is_only_starts(served):
    with served.engine("--take-over") as engine:
        assert end(engine)[0] == OK


def test_a_runtime_folder_of_no_use_is_refused(served, monkeypatch):
    served.folder.mkdir(parents=True)
    served.folder.chmod(0o755)
    with served.begin() as process:
        assert "chmod 700" in process.stderr.read()
    monkeypatch.setenv(RUNTIME, "here")
    with served.begin() as process:
        assert f"{RUNTIME}: give the full path" in process.stderr.read()
    assert process.returncode == WRONG_USE
    assert served.run("status").returncode == WRONG_USE


def test_an_engine_stopped_under_load_places_nothing_after_a_halt_when_it_goes_on(served):
    place_nothing_after_a_halt_while_stopped(served, 0.7)


def test_an_engine_that_was_killed_in_a_halt_wakes_up_in_it(served):
    with served.engine() as engine:
        assert served.place("m-1").returncode == OK
        served.until_rest(1)
        halted = served.halt("--cancel")
        assert (halted.returncode, json.loads(halted.stdout)["is_quiet"]) == (OK, True)
        engine.kill()
    assert served.run("halts").returncode == HALTED

    with served.engine() as again:
        held = served.place("m-2")
        assert (held.returncode, "Held back" in held.stdout) == (HALTED, True)
        assert served.resume().returncode == OK
        served.until_rest(2)
        assert end(again)[0] == OK
    served.check(["m-1", "m-2"])


def test_a_server_that_ends_the_lines_of_the_engine_ends_the_engine_and_no_order(served):
    with served.engine() as engine:
        assert served.place("m-1").returncode == OK
        with somebody(served.store) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid != pg_backend_pid() AND backend_type = 'client backend'"
            )
        served.place("m-2")
        assert engine.wait(20) == FAILED

    with served.engine() as again:
        assert served.place("m-2").returncode == OK
        served.until_rest(2)
        assert end(again)[0] == OK
    served.check(["m-1", "m-2"])
