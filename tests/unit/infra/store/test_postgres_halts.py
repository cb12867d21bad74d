"""Halts on PostgreSQL where it differs from a file: locks of sessions, a note in a row."""

from contextlib import closing, suppress
from socket import gethostname
from threading import Event, Thread

import psycopg
import pytest

from domain.errors import HaltedError, NotSentError, StoreError
from domain.halt import ACCOUNT
from infra.store.audit import verify
from infra.store.halts import halts_in_force, lift_halt, set_halt
from infra.store.places import note_of, place_of
from infra.store.reading import open_reader_at
from tests.fakes_time import ManualClock
from tests.servers import somebody
from tests.unit.domain.test_halt import CROSSOVER, SAMSUNG, halted, resumed
from tests.unit.infra.store.stores import a_store, passes

CLOCK = ManualClock()
LINES_ENDED = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE pid != pg_backend_pid() AND backend_type = 'client backend'"
)
GATE_HELD = (
    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' AND granted"
)


@pytest.fixture
def url(postgres):
    return postgres.url()


@pytest.fixture
def store(url):
    with closing(a_store(None, url=url)) as made:
        made.journal()
        yield made


def halt(store, scope=ACCOUNT, wait_s=0.2):
    return set_halt(store.path, halted(scope), clock=CLOCK, wait_s=wait_s)


def put(store, text):
    with somebody(store.path) as other:
        other.execute(
            "INSERT INTO meta VALUES ('halts', %s) ON CONFLICT (key) DO UPDATE"
            " SET value = excluded.value",
            (text,),
        )


def kinds(store):
    with open_reader_at(store.path) as reader:
        assert verify(reader).ok, verify(reader)
        return [record.kind for record in reader.records(stream="halt")]


def test_an_engine_stopped_in_a_commit_is_halted_and_the_row_follows(store, url, monkeypatch):
    monkeypatch.setattr("infra.store.postgres_halts._HEAD_WAIT", "SET LOCAL lock_timeout = '50ms'")
    guard = store.guard()
    with somebody(store.path) as engine, engine.transaction():
        engine.execute("SELECT value FROM meta WHERE key = 'epoch' FOR UPDATE")

        report = halt(store)

        assert report.is_quiet
        assert "lock timeout" in report.unrecorded
        with pytest.raises(HaltedError):
            passes(guard)
        with pytest.raises(StoreError, match="lock timeout"):
            lift_halt(store.path, resumed(), clock=CLOCK)
        with pytest.raises(HaltedError):
            passes(guard)
    assert kinds(store) == []
    store.close()

    with closing(a_store(None, url=url)) as again:
        assert kinds(again) == ["Halted"]


def test_either_of_row_and_note_is_enough(store):
    halt(store, SAMSUNG)
    put(store, "")
    with pytest.raises(HaltedError):
        passes(store.guard())
    assert list(halts_in_force(store.path)) == [SAMSUNG]


@pytest.mark.parametrize("text", ["x", "[" * 200_000, '{"scope": 5}\n', " "])
def test_a_note_that_nobody_can_read_halts_the_account_until_it_is_resumed(store, text):
    guard = store.guard()
    put(store, text)

    for _ in range(2):
        with pytest.raises(HaltedError, match="cannot be read"):
            passes(guard)
    halt(store, SAMSUNG)
    assert set(halts_in_force(store.path)) == {ACCOUNT, SAMSUNG}
    lift_halt(store.path, resumed(), clock=CLOCK)
    lift_halt(store.path, resumed(SAMSUNG), clock=CLOCK)

    passes(guard)
    assert kinds(store) == ["Halted", "Resumed", "Resumed"]


def test_what_another_writes_between_reading_and_writing_is_read_again(store):
    note, others = note_of(store.path), [halted(CROSSOVER), halted(ACCOUNT)]

    def change(found):
        if others:
            other = others.pop()
            note.change(lambda there: there | {other.scope: other}, is_adding=True, wait_s=1)
        return found | {SAMSUNG: halted(SAMSUNG)}

    note.change(change, is_adding=False, wait_s=1)

    assert set(note.read()) == {ACCOUNT, CROSSOVER, SAMSUNG}


@pytest.mark.parametrize("is_adding", [True, False])
def test_where_others_write_all_the_time_only_a_halt_is_written(store, is_adding):
    note = note_of(store.path)
    texts = iter("x" * number for number in range(1, 1000))

    def change(_found):
        put(store, next(texts))
        return {SAMSUNG: halted(SAMSUNG)}

    written, is_safe = note.change(change, is_adding=is_adding, wait_s=1)

    assert (written is not None, is_safe) == (is_adding, True)
    assert set(note.read()) == ({SAMSUNG} if is_adding else {ACCOUNT})


def test_a_guard_whose_line_was_ended_looks_again_by_another(store):
    guard = store.guard()
    with guard.hold(symbol="005930", strategy_id=""), somebody(store.path) as other:
        other.execute(LINES_ENDED)
    passes(guard)
    with somebody(store.path) as other:
        other.execute(LINES_ENDED)

    with pytest.raises(NotSentError, match="could not be read"):
        passes(guard)

    passes(guard)
    assert halt(store).is_quiet


def test_a_halt_waits_for_a_call_whose_line_to_the_server_broke(store):
    """Passed, not begun yet: with the line the server lets go of the gate."""
    guard, begun, returned = store.guard(), [], []

    def place():
        with guard.hold(symbol="005930", strategy_id=""):
            inside.set()
            go_on.wait(20)
            begun.append(list(returned))

    inside, go_on = Event(), Event()
    placing = Thread(target=place)
    placing.start()
    assert inside.wait(20)
    halting = Thread(target=lambda: returned.append(halt(store, wait_s=20).is_quiet))
    with somebody(store.path) as other:
        halting.start()
        while not other.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchall():
            assert halting.is_alive()
        other.execute(f"{LINES_ENDED} AND pid IN ({GATE_HELD})")
        while other.execute(GATE_HELD).fetchall():
            assert halting.is_alive()
    halting.join(1)
    go_on.set()
    placing.join()
    halting.join()

    assert (begun, returned) == ([[]], [True])


def test_a_halt_that_waits_in_vain_for_such_a_call_says_so(store):
    guard = store.guard()
    with guard.hold(symbol="005930", strategy_id=""):
        with somebody(store.path) as other:
            other.execute(f"{LINES_ENDED} AND pid IN ({GATE_HELD})")
        assert not halt(store).is_quiet
    assert halt(store).is_quiet


def test_a_call_of_an_engine_that_is_gone_is_not_waited_for(store, url):
    values = (f"{2**22 + 1} {gethostname()}", "1 elsewhere")
    for value, is_quiet in zip(values, (True, False), strict=True):
        with somebody(store.path) as other:
            other.execute("INSERT INTO meta VALUES (%s, %s)", (f"passing {value}", value))
        assert halt(store).is_quiet is is_quiet
    store.close()

    with closing(a_store(None, url=url)) as again, open_reader_at(again.path) as reader:
        assert halt(again).is_quiet, "the next engine knows that the earlier one makes no calls"
        assert verify(reader).ok


def test_a_passage_leaves_nothing_behind_whatever_became_of_its_line(store):
    guard = store.guard()
    passes(guard)
    with guard.hold(symbol="005930", strategy_id=""):
        with open_reader_at(store.path) as reader:
            assert verify(reader).ok
        with somebody(store.path) as other:
            other.execute(LINES_ENDED)
    with somebody(store.path) as other:
        assert other.execute("SELECT * FROM meta WHERE key LIKE 'passing%'").fetchall() == []


def test_a_halt_is_seen_by_a_look_that_began_before_it_and_got_the_gate_after_it(postgres):
    serializable = "options=-c%20default_transaction_isolation%3Dserializable"
    with closing(a_store(None, url=f"{postgres.url()}&{serializable}")) as store:
        store.journal()
        guard, held = store.guard(), []
        entering = guard._gate._statements["enter"]
        waits_first = entering.replace(" WHERE", " FROM pg_advisory_lock_shared(42) WHERE")
        guard._gate._statements["enter"] = waits_first

        def look():
            with suppress(HaltedError), guard.hold(symbol="005930", strategy_id=""):
                held.append("passed")

        with somebody(store.path) as other:
            other.execute("SELECT pg_advisory_lock(42)")
            looking = Thread(target=look)
            looking.start()
            while not other.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchall():
                assert looking.is_alive()
            assert halt(store).is_quiet
        looking.join()

    assert held == []


def test_a_look_that_fails_leaves_the_gate_free(store):
    guard = store.guard()
    with somebody(store.path) as other:
        other.execute("ALTER TABLE meta RENAME TO meta_gone")
        with pytest.raises(NotSentError, match="could not be read"):
            passes(guard)
        other.execute("ALTER TABLE meta_gone RENAME TO meta")

    assert halt(store).is_quiet


def test_an_engine_that_was_closed_in_a_call_holds_nothing(store):
    guard = store.guard()
    with guard.hold(symbol="005930", strategy_id=""):
        guard.close()
        with pytest.raises(NotSentError):
            passes(guard)
    assert halt(store).is_quiet


def test_an_address_without_a_store_or_a_server_is_refused(store, postgres, tmp_path):
    nowhere = place_of(f"postgresql://nobody@/x?host={tmp_path}")
    for act in (lambda: note_of(nowhere).read(), lambda: set_halt(nowhere, halted(), clock=CLOCK)):
        with pytest.raises(StoreError, match="check the server"):
            act()
    empty = place_of(postgres.url())
    for act in (lambda: halts_in_force(empty), lambda: set_halt(empty, halted(), clock=CLOCK)):
        with pytest.raises(StoreError, match="There is no store at"):
            act()


def test_the_note_of_halts_is_no_damage_to_the_store(store, url):
    halt(store)
    with open_reader_at(store.path) as reader:
        assert verify(reader).ok
    with somebody(store.path) as other, pytest.raises(psycopg.Error):
        other.execute("DELETE FROM journal")
    store.close()
    a_store(None, url=url).close()
