"""``doctor``: each line is ok, warn or fail, and says what to do."""

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from infra.cli import doctor
from tests.unit.infra.cli.stories import open_house


@pytest.fixture
def copied(stories, tmp_path):
    """A private copy of the stories."""
    folder = tmp_path / "store"
    shutil.copytree(stories.parent, folder)
    for path in (folder, *folder.iterdir()):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return folder / "oncefill.db"


def report(perform, *argv):
    code, out, err = perform("doctor", *argv, "--json")
    assert err == ""
    shown = json.loads(out)
    assert shown["ok"] == (code == 0)
    return {check["check"]: check for check in shown["checks"]}


def test_a_good_store_on_a_good_machine_is_fit_to_trade(perform, copied):
    checks = report(perform, "--store", copied)

    assert set(checks) == {
        *("python", "packages", "clock", "store", "store file", "journal head"),
        *("file modes", "engine lock"),
        *("disk space", "disk sync"),
    }
    assert {name for name, check in checks.items() if check["result"] == "fail"} == set()
    for name in ("python", "packages", "store", "journal head", "file modes", "engine lock"):
        assert (name, checks[name]["result"], checks[name]["todo"]) == (name, "ok", "")
    assert perform("doctor", "--store", copied)[1].splitlines()[-1].startswith("Fit to trade")


def test_it_works_without_any_store(perform, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    checks = report(perform)

    assert checks["store"]["result"] == "warn"
    assert checks["store"]["todo"].startswith("No store yet in .oncefill; run `")
    assert "disk sync" in checks


def test_a_named_store_that_is_not_there_is_a_failure(perform, tmp_path):
    checks = report(perform, "--store", tmp_path / "nothing.db")

    assert checks["store"]["result"] == "fail"
    assert "There is no store" in checks["store"]["todo"]


def test_a_running_engine_is_named(perform, tmp_path):
    house = open_house(tmp_path)

    checks = report(perform, "--store", tmp_path)
    house.engine.stop()

    assert checks["engine lock"]["detail"].startswith("an engine runs: pid ")


def test_files_that_others_can_read_warn_and_those_they_can_change_fail(perform, copied):
    copied.chmod(0o640)
    readable = report(perform, "--store", copied)["file modes"]
    copied.chmod(0o666)
    writable = report(perform, "--store", copied)["file modes"]

    assert (readable["result"], writable["result"]) == ("warn", "fail")
    assert "oncefill.db 0640" in readable["detail"]


def test_a_changed_last_row_is_found(perform, copied):
    with closing(sqlite3.connect(copied)) as connection:
        connection.execute("DROP TRIGGER journal_no_update")
        connection.execute("UPDATE journal SET data = data || ' '")
        connection.commit()

    code, out, _ = perform("doctor", "--store", copied)

    assert code == 1
    assert "was changed after it was written" in out
    assert out.splitlines()[-1] == "Not fit to trade: 1 check failed."


def test_a_damaged_page_anywhere_in_the_store_is_found(perform, copied):
    with closing(sqlite3.connect(copied)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        found = "SELECT rootpage FROM sqlite_master WHERE name = 'orders'"
        (page,) = connection.execute(found).fetchone()
    with copied.open("r+b") as file:
        file.seek((page - 1) * size + size // 2)
        file.write(b"\xff" * (size // 2))

    code, out, _ = perform("doctor", "--store", copied)

    assert code == 1
    assert "restore a copy" in out
    assert out.splitlines()[-1].startswith("Not fit to trade")


def test_a_large_store_is_announced_before_it_is_read(perform, copied, monkeypatch):
    monkeypatch.setattr(doctor, "_LARGE", 0)

    code, _, err = perform("doctor", "--store", copied)

    assert code == 0
    assert err.startswith("Reading all of the store, 0.0 GB.")


def test_a_newer_schema_and_a_halt_are_told(perform, copied):
    copied.with_name("HALT").touch(mode=0o600)
    with closing(sqlite3.connect(copied)) as connection:
        connection.execute("UPDATE meta SET value='999' WHERE key='schema_version'")
        connection.commit()

    checks = report(perform, "--store", copied)

    assert checks["store"]["result"] == "fail"
    assert "has schema 999" in checks["store"]["todo"]
    assert checks["halt"]["result"] == "warn"


def test_a_store_locked_on_another_machine_warns(copied):
    lock = copied.with_name("oncefill.db.lock")
    lock.write_text(json.dumps({"pid": 1, "host": "elsewhere", "started_at": "some day"}))
    warned = doctor.lock(copied)
    lock.unlink()

    assert (warned.result, warned.todo) == (
        doctor.WARN,
        "Look on elsewhere before starting an engine here.",
    )
    assert "at an unknown time" in warned.detail
    assert doctor.lock(copied).detail == "free; no engine has named itself"


def test_old_pythons_and_missing_packages_fail(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["nothing-like-it>=1"]\n')

    assert doctor.python_version((3, 10, 1)).result == doctor.FAIL
    assert "nothing-like-it>=1" in doctor.packages(tmp_path).detail
    (tmp_path / "pyproject.toml").write_text("no toml")
    assert doctor.packages(tmp_path).result == doctor.WARN


class Clock:
    """A clock that is wrong by ``drift_s`` after a sleep."""

    def __init__(self, year=2026, drift_s=0.0):
        self.at, self.s, self.drift_s = datetime(year, 1, 1, tzinfo=UTC), 0.0, drift_s

    def now(self):
        return self.at

    def monotonic(self):
        return self.s

    def sleep(self, seconds):
        self.s += seconds
        self.at += timedelta(seconds=seconds + self.drift_s)


def test_a_clock_that_is_not_set_fails_and_one_that_is_moved_warns():
    assert doctor.clock(Clock()).result == doctor.OK
    assert doctor.clock(Clock(year=1970)).result == doctor.FAIL
    assert doctor.clock(Clock(drift_s=-0.5)).result == doctor.WARN


def test_a_journal_from_the_future_warns(perform, copied, monkeypatch):
    class Past(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2026, 3, 1, tzinfo=tz)

    monkeypatch.setattr(doctor, "datetime", Past)

    checks = report(perform, "--store", copied)

    assert checks["journal time"]["result"] == "warn"
    assert "1 d 01 h ahead" in checks["journal time"]["detail"]


@pytest.mark.parametrize(
    ("free", "result"), [(10**7, doctor.FAIL), (5 * 10**8, doctor.WARN), (10**10, doctor.OK)]
)
def test_little_room_warns_and_hardly_any_fails(tmp_path, free, result):
    assert doctor.space(tmp_path, free).result == result


@pytest.mark.parametrize(
    ("took_ms", "result"), [(0.0001, doctor.WARN), (1.0, doctor.OK), (100.0, doctor.WARN)]
)
def test_a_sync_that_is_slow_or_too_fast_to_be_true_warns(tmp_path, took_ms, result):
    assert doctor.sync_speed(tmp_path, lambda _: took_ms).result == result


def test_a_folder_that_cannot_be_written_fails(tmp_path):
    assert doctor.sync_speed(tmp_path / "nowhere").result == doctor.FAIL
