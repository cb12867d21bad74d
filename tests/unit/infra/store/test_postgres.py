"""What only the journal on PostgreSQL can show: its lock, its triggers, lines that break."""

import os
import socket
import threading
from contextlib import closing

import psycopg
import pytest

from domain.errors import AccountLockedError, FencedError, NotSentError, StoreError
from domain.events import Rejected
from domain.journal import Committed, LoadRecords
from infra.store.audit import verify
from infra.store.places import place_of
from infra.store.reading import open_reader, open_reader_at
from tests.servers import somebody
from tests.unit.domain.orders import NOW, accepted, filled, started
from tests.unit.infra.store.stores import (
    a_filled_order,
    a_note,
    a_store,
    ask,
    book_fills,
    commit,
    passes,
    steps,
)

NUMBER = "12345678901234567.1234567890"
REFUSED = (
    "UPDATE journal SET data = '{}' WHERE seq = 2",
    "DELETE FROM journal WHERE seq = 2",
    "TRUNCATE journal",
    """INSERT INTO journal SELECT 99, 'x', 1, kind, topics, data, recorded_at, prev_hash, hash
    FROM journal LIMIT 1""",
    """INSERT INTO journal SELECT * FROM journal WHERE seq = 2
    ON CONFLICT (seq) DO UPDATE SET data = '{}'""",
    "MERGE INTO journal j USING journal k ON j.seq = k.seq WHEN MATCHED THEN DELETE",
)


@pytest.fixture
def url(postgres):
    return postgres.url()


@pytest.fixture
def store(url):
    opened = a_store(None, url=url)
    yield opened
    opened.close()


@pytest.mark.parametrize("attack", REFUSED)
def test_the_journal_only_grows(store, attack):
    commit(store.journal(), *a_filled_order())
    with somebody(store.path) as other:
        before = other.execute("SELECT * FROM journal ORDER BY seq").fetchall()

        with pytest.raises(psycopg.IntegrityError):
            other.execute(attack)

        assert other.execute("SELECT * FROM journal ORDER BY seq").fetchall() == before


def test_a_second_engine_is_refused_and_told_who_holds_the_account(store, url):
    who = f"pid {os.getpid()} on {socket.gethostname()}, started 2024-03-04"
    with pytest.raises(AccountLockedError, match=who):
        a_store(None, url=url)


def test_a_closed_store_is_free_again(store, url):
    commit(store.journal(), *a_filled_order())
    store.close()

    with closing(a_store(None, url=url)) as again:
        assert again.epoch == 1
        assert len(ask(again.journal(), LoadRecords(0))) == 5


def test_a_store_belongs_to_one_account(store, url):
    store.close()

    with pytest.raises(StoreError, match="belongs to account paper, not to other"):
        a_store(None, url=url, account_id="other")


def test_two_schemas_of_one_database_are_two_stores(store, postgres):
    commit(store.journal(), *a_filled_order())
    with closing(a_store(None, url=postgres.url(), account_id="other")) as other:
        assert ask(other.journal(), LoadRecords(0)) == ()


def test_a_missing_store_is_not_made_unless_asked(url):
    with pytest.raises(StoreError, match="There is no store at"):
        a_store(None, url=url, create=False)
    with pytest.raises(StoreError, match="not an Oncefill store"):
        open_reader(url)


def test_an_engine_that_lost_its_lock_is_fenced_by_the_next(store, url):
    """As after a broken line to the server: the epoch still stands between the two."""
    journal, guard = store.journal(), store.guard()
    passes(guard)
    store._lock.release()

    with closing(a_store(None, url=url)) as other:
        other.journal()

        with pytest.raises(NotSentError, match="taken over"):
            passes(guard)
        journal.append(a_note(), lambda _: None)
        with pytest.raises(FencedError, match="taken over"):
            journal.drain()
        with pytest.raises(FencedError, match="taken over"):
            store.journal()
        passes(other.guard())


def test_readers_answer_while_the_engine_writes_and_the_audit_is_green(store):
    journal = store.journal()
    commit(journal, *a_filled_order(1), *a_filled_order(2))
    book = book_fills(journal)

    with open_reader_at(store.path) as reader, reader.snapshot():
        assert reader.head().seq == 14
        commit(journal, *a_filled_order(3))
        report = verify(reader)
        shown = reader.orders(), reader.fills(), reader.book()

    assert report.ok, report
    assert report.seq == 14
    assert (len(shown[0]), len(shown[1]), shown[2]) == (2, 4, book)


def test_a_reader_cannot_write(store):
    with (
        open_reader_at(store.path) as reader,
        pytest.raises(StoreError, match="read-only"),
        reader.snapshot() as connection,
    ):
        connection.exec_driver_sql("DELETE FROM meta")


def test_a_text_that_the_server_cannot_hold_stops_nothing(store):
    journal = store.journal()
    replies = commit(journal, *steps(started(), Rejected(reason="no\0way", code="1", at=NOW)))

    assert all(isinstance(reply, Committed) for reply in replies)
    with open_reader_at(store.path) as reader:
        assert reader.orders()[0].reason == "no\ufffdway"
        assert reader.records()[-1].event.reason == "no\0way"


def test_commits_of_others_are_waited_for_and_seen(store):
    """The head is read after the lock was got, never before."""
    journal = store.journal()
    commit(journal, a_note("first"))
    replies = []
    with somebody(store.path) as other, other.transaction():
        other.execute("SELECT value FROM meta WHERE key = 'epoch' FOR UPDATE")
        journal.append(a_note("second"), replies.append)
        drain = threading.Thread(target=journal.drain)
        drain.start()
        while not other.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchall():
            assert drain.is_alive()
        other.execute("UPDATE meta SET value = value WHERE key = 'epoch'")
    drain.join()

    assert [reply.seq for reply in replies] == [2]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mysql://h/d", "not mysql://"),
        ("postgresql://h/d?schema=Robert'); --", "lower case letters"),
        ("postgresql://h:port/d", "cannot be read"),
    ],
)
def test_an_address_that_is_none_says_so(text, says):
    with pytest.raises(StoreError, match=says):
        place_of(text)


def test_a_password_is_used_and_never_shown():
    place = place_of("postgresql+psycopg://me:sesame@db.example:5433/trade?schema=paper")

    assert "sesame" in place.options.values()
    assert str(place) == "postgresql://me@db.example:5433/trade?schema=paper"
    assert "sesame" not in repr(place)


def test_a_server_that_is_not_there_says_so(tmp_path):
    with pytest.raises(StoreError, match="cannot be used; check the server"):
        a_store(None, url=f"postgresql://nobody@/x?host={tmp_path}")
    with pytest.raises(StoreError, match="cannot be used; check the server"):
        open_reader(f"postgresql://nobody@/x?host={tmp_path}")


def test_numbers_keep_every_digit_on_the_server(store):
    commit(store.journal(), *steps(started(), accepted(), filled(NUMBER, px=NUMBER)))

    with somebody(store.path) as other:
        kind, digits = other.execute(
            "SELECT pg_typeof(last_px)::text, last_px::text FROM fills"
        ).fetchone()

    assert (kind, digits) == ("numeric", NUMBER)
