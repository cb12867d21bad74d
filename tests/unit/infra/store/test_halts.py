"""Halts as a row and a file: set and lifted by anybody, seen by the guard, whatever the engine."""

import fcntl
import os
import stat
from contextlib import ExitStack, closing

import pytest

from domain.errors import HaltedError, StoreError
from domain.halt import ACCOUNT
from infra.store.audit import verify
from infra.store.dialect import writer_engine
from infra.store.gate import gate_path
from infra.store.halts import halts_in_force, lift_halt, set_halt
from infra.store.reading import open_reader
from tests.fakes_time import ManualClock
from tests.unit.domain.test_halt import CROSSOVER, SAMSUNG, halted, resumed
from tests.unit.infra.store.halting import CLOCK, halt, is_held, resume
from tests.unit.infra.store.stores import a_store, passes


@pytest.fixture
def store(tmp_path):
    with closing(a_store(tmp_path)) as made:
        made.journal()
        yield made


def rows(store):
    with open_reader(store.path) as reader:
        assert verify(reader).ok, verify(reader)
        return [(record.kind, record.topics) for record in reader.records(stream="halt")]


def test_a_halt_is_a_row_and_a_private_file_and_the_guard_says_no(store):
    guard = store.guard()
    passes(guard)

    report = halt(store)

    assert report.is_quiet
    assert (report.unrecorded, report.in_flight) == (None, ())
    assert [str(one.scope) for one in report.halts] == ["account"]
    assert rows(store) == [("Halted", ("trading.halted",))]
    file = store.path.with_name("HALT")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(
        HaltedError, match=r"account is halted since .* by kim: a test.*resume --sc"
    ):
        passes(guard)


def test_resume_lifts_one_halt_and_leaves_the_others(store):
    guard = store.guard()
    halt(store, SAMSUNG)
    halt(store, CROSSOVER)

    left = resume(store, SAMSUNG)

    assert [str(one.scope) for one in left] == ["strategy:crossover"]
    assert not is_held(guard)
    assert is_held(guard, "005930", "crossover")
    assert resume(store, CROSSOVER) == ()
    assert not is_held(guard, "005930", "crossover")
    assert not store.path.with_name("HALT").exists()
    assert len(rows(store)) == 4


@pytest.mark.parametrize("lost", ["file", "rows"])
def test_either_of_row_and_file_is_enough(store, lost, tmp_path):
    halt(store)
    if lost == "file":
        store.path.with_name("HALT").unlink()
        assert is_held(store.guard())
    else:
        other = a_store(tmp_path / "other")
        other.journal()
        store.path.with_name("HALT").rename(other.path.with_name("HALT"))
        assert is_held(other.guard())
        other.close()


def test_a_halt_survives_the_engine_and_its_restart(store, tmp_path):
    halt(store, SAMSUNG)
    store.close()

    again = a_store(tmp_path)
    again.journal()

    assert is_held(again.guard())
    again.close()


def test_a_file_made_by_hand_halts_the_account_until_it_is_removed_or_resumed(store):
    guard = store.guard()
    file = store.path.with_name("HALT")
    for text in ("", "half a", '{"scope": 5}\n', "\x00" * 100):
        file.write_text(text)
        assert is_held(guard)
        file.unlink()
        assert not is_held(guard)
    file.touch()

    halt(store, SAMSUNG)  # Keeps the other one.
    assert is_held(guard, "000660")
    resume(store)
    resume(store, SAMSUNG)

    assert not is_held(guard)


NO_ZONE = (
    '{"at":"2026-01-01T00:00:00","reason":"x","requested_by":"",'
    '"scope":{"kind":"symbol","name":"000660"}}'
)


@pytest.mark.parametrize("text", ['{"a":' * 100_000, "[" * 200_000, NO_ZONE])
def test_a_file_that_the_reader_chokes_on_halts_the_account_at_every_look(store, text):
    guard = store.guard()
    store.path.with_name("HALT").write_text(text)

    assert [is_held(guard) for _ in range(3)] == [True] * 3
    assert list(halts_in_force(store.path)) == [ACCOUNT]
    halt(store, SAMSUNG)
    assert [is_held(guard, "000660") for _ in range(3)] == [True] * 3


def test_a_busy_store_is_halted_by_its_file_and_the_row_follows(store, tmp_path, monkeypatch):
    monkeypatch.setattr("infra.store.dialect.BUSY_MS", 10)
    engine = writer_engine(store.path)
    with engine.connect() as other, other.begin():
        report = halt(store)
        assert "locked" in report.unrecorded
        assert is_held(store.guard())
        with pytest.raises(StoreError, match="locked"):
            resume(store)
        assert is_held(store.guard())

    store.close()
    again = a_store(tmp_path)

    assert rows(again) == [("Halted", ("trading.halted",))]
    again.close()


class HaltingClock(ManualClock):
    """Sets a halt while another command, which holds the store, asks for the time."""

    def __init__(self, store, new):
        super().__init__()
        self.store = store
        self.new = [new]
        self.reports = []

    def now(self):
        while self.new:
            halt = self.new.pop()
            self.reports.append(set_halt(self.store.path, halt, clock=CLOCK, wait_s=0.2))
        return super().now()


@pytest.mark.parametrize("new", [halted(), halted(SAMSUNG, by="lee")])
def test_resume_keeps_a_halt_that_was_set_while_it_worked(store, monkeypatch, new):
    monkeypatch.setattr("infra.store.dialect.BUSY_MS", 10)
    monkeypatch.setattr("infra.store.halts._OTHERS_END_S", 0.05)
    guard = store.guard()
    halt(store, SAMSUNG)
    clock = HaltingClock(store, new)

    left = lift_halt(store.path, resumed(SAMSUNG), clock=clock)

    assert [report.unrecorded is None for report in clock.reports] == [False]
    assert is_held(guard)
    assert left == (new,)
    assert resume(store, new.scope) == ()
    assert not is_held(guard)


def test_a_halt_that_a_stopped_resume_could_undo_says_so(store, monkeypatch):
    monkeypatch.setattr("infra.store.dialect.BUSY_MS", 10)
    monkeypatch.setattr("infra.store.halts._OTHERS_END_S", 0.05)
    with ExitStack() as busy:
        resume_ = busy.enter_context(store.path.with_name("oncefill.db.halt-file").open("w"))
        fcntl.flock(resume_, fcntl.LOCK_EX)

        assert halt(store, SAMSUNG).unrecorded is None  # The row stands, whatever it does.
        busy.enter_context(other := writer_engine(store.path).connect())
        busy.enter_context(other.begin())
        said = halt(store).unrecorded

    assert "locked" in said
    assert "it may undo this one. End that command, then halt again." in said


def test_a_halt_stands_by_its_row_when_a_resume_that_was_stopped_goes_on(store):
    """It has compared the file with what it read, and a halt comes before it removes it."""
    guard = store.guard()
    halt(store, SAMSUNG)
    lift_halt(store.path, resumed(SAMSUNG), clock=CLOCK)
    assert halt(store).unrecorded is None

    store.path.with_name("HALT").unlink()

    assert is_held(guard)
    assert list(halts_in_force(store.path)) == [ACCOUNT]


def test_a_command_that_hangs_keeps_no_halt_from_being_set(store, monkeypatch):
    monkeypatch.setattr("infra.store.halts._OTHERS_END_S", 0.05)
    with ExitStack() as hung:
        for name in ("halting", "halt-file"):
            file = hung.enter_context(store.path.with_name(f"oncefill.db.{name}").open("w"))
            fcntl.flock(file, fcntl.LOCK_EX)

        assert halt(store).unrecorded is None

    assert is_held(store.guard())


def test_a_gate_that_was_deleted_is_made_again(store):
    guard = store.guard()
    passes(guard)
    gate_path(store.path).unlink()

    with guard.hold(symbol="005930", strategy_id=""):
        assert not halt(store, wait_s=0.05).is_quiet


def test_the_files_of_a_halt_are_private(store):
    before = os.umask(0)
    try:
        halt(store)
        assert is_held(store.guard())
    finally:
        os.umask(before)

    beside = store.path.parent.iterdir()
    assert [each.name for each in beside if stat.S_IMODE(each.stat().st_mode) & 0o077] == []


def test_a_halt_needs_a_store(tmp_path):
    with pytest.raises(StoreError, match="no store"):
        set_halt(tmp_path / "oncefill.db", halted(), clock=CLOCK)


def test_a_folder_that_cannot_be_written_is_said(store, monkeypatch):
    store.path.with_name("HALT").mkdir()

    with pytest.raises(StoreError, match="HALT cannot be written"):
        halt(store)
    assert is_held(store.guard())
