"""Lines to PostgreSQL that break, engines that are killed: what was acknowledged is there."""

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from domain.errors import AccountLockedError, StoreError
from domain.journal import AppendFailed, Committed, LoadRecords
from infra.store import postgres as postgres_module
from infra.store.audit import verify
from infra.store.reading import open_reader
from tests.house.files import ROOT
from tests.servers import running_server, somebody
from tests.unit.infra.store.stores import (
    WRITES_UNTIL_KILLED,
    a_filled_order,
    a_note,
    a_store,
    ask,
    commit,
)


@pytest.fixture
def url(postgres):
    return postgres.url()


@pytest.fixture
def store(url):
    opened = a_store(None, url=url)
    yield opened
    opened.close()


def test_a_server_that_ends_the_line_stops_the_journal(store):
    journal = store.journal()
    commit(journal, *a_filled_order(1))
    with somebody(store.path) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
    replies = []
    journal.append(a_note(), replies.append)

    with pytest.raises(StoreError, match="could not be written"):
        journal.drain()

    assert replies == []
    with pytest.raises(StoreError, match="has failed"):
        journal.append(a_note(), replies.append)


class CutLine:
    """Carries bytes to the server; once armed it breaks when it is to carry ``word``.

    With ``is_heard`` the server hears it and answers; with ``is_answered`` the engine hears that.
    """

    def __init__(self, host, folder, word=b"COMMIT\0", *, is_heard, is_answered=False):
        self.is_armed = False
        self._server = f"{host}/.s.PGSQL.5432"
        self._word = word
        self._is_heard, self._is_answered = is_heard, is_answered
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=5)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._carry, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _carry(self, client):
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self._server)
            while True:
                ready, _, _ = select.select((client, server), (), ())
                for end in ready:
                    data = end.recv(65536)
                    if not data:
                        return
                    if end is client and self.is_armed and self._word in data:
                        if self._is_heard:
                            server.sendall(data)
                            answer = server.recv(65536)
                        if self._is_answered:
                            client.sendall(answer)
                        return
                    (server if end is client else client).sendall(data)


@contextmanager
def by_line(postgres, url, **options):
    """A store, and the line that it is reached by."""
    with tempfile.TemporaryDirectory() as short:  # A socket's path is at most 107 long.
        line = CutLine(postgres.host, Path(short), **options)
        with closing(line), closing(a_store(None, url=url.replace(postgres.host, short))) as store:
            yield store, line


@pytest.mark.parametrize(
    ("word", "is_heard"),
    [(b"COMMIT\0", True), (b"COMMIT\0", False), (b"BEGIN", False), (b"INSERT", True)],
)
def test_a_line_that_breaks_during_commit_acknowledges_nothing(postgres, word, is_heard):
    url = postgres.url()
    is_committed = is_heard and word.startswith(b"COMMIT")
    order = a_filled_order(2)[0]
    with by_line(postgres, url, word=word, is_heard=is_heard) as (store, line):
        journal = store.journal()
        commit(journal, *a_filled_order(1))
        replies, told = [], []
        journal.watch(lambda *words: told.append(words))
        line.is_armed = True
        journal.append(order, replies.append)

        with pytest.raises(StoreError, match="Nothing of this commit was acknowledged"):
            journal.drain()
        line.is_armed = False

        assert (replies, told) == ([], [])
        with pytest.raises(StoreError, match="has failed"):
            journal.drain()
    with closing(opened_in_time(url)) as store, open_reader(url) as reader:
        journal = store.journal()
        assert len(ask(journal, LoadRecords(0))) == 5 + is_committed
        (again,) = commit(journal, order)
        assert isinstance(again, AppendFailed if is_committed else Committed)
        assert len(ask(journal, LoadRecords(0))) == 6, "told again, it is there once"
        assert verify(reader).ok


def test_a_line_that_breaks_after_the_answer_keeps_what_was_acknowledged(postgres):
    url, replies = postgres.url(), []
    with by_line(postgres, url, is_heard=True, is_answered=True) as (store, line):
        journal = store.journal()
        line.is_armed = True
        journal.append(a_note("first"), replies.append)
        journal.drain()
        journal.append(a_note("second"), replies.append)
        with pytest.raises(StoreError, match="Nothing of this commit was acknowledged"):
            journal.drain()
        line.is_armed = False

    assert [reply.seq for reply in replies] == [1]
    with closing(opened_in_time(url)) as store:
        assert len(ask(store.journal(), LoadRecords(0))) == 1


SLOW_COMMIT = """
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON journal DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION wait();
SELECT pg_advisory_lock(42)
"""


@contextmanager
def in_commit(store, journal, replies):
    """Give the failures of a drain, in a list, while its COMMIT waits."""
    failures = []

    def drain():
        try:
            journal.drain()
        except StoreError as error:
            failures.append(str(error))

    with somebody(store.path) as other:
        other.execute(SLOW_COMMIT)
        journal.append(a_note(), replies.append)
        draining = threading.Thread(target=drain)
        draining.start()
        while not other.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchall():
            assert draining.is_alive()
        yield failures
        draining.join()


def test_a_server_that_gives_up_a_commit_has_written_nothing(url, monkeypatch):
    monkeypatch.setitem(postgres_module._SESSION, "lock_timeout", "1s")
    replies = []
    with closing(a_store(None, url=url)) as store:
        journal = store.journal()
        commit(journal, *a_filled_order(1))
        with in_commit(store, journal, replies) as failures:
            pass

        assert "lock timeout" in failures[0]
        assert replies == []
    with open_reader(url) as reader:
        assert reader.head().seq == 5


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_server_that_dies_in_a_commit_and_comes_again_has_written_nothing_of_it():
    replies = []
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as server:
        url = server.url()
        with closing(a_store(None, url=url)) as store:
            journal = store.journal()
            commit(journal, *a_filled_order(1))
            with suppress(psycopg.Error), in_commit(store, journal, replies) as failures:
                server.die_and_start_again()

            assert "Nothing of this commit was acknowledged" in failures[0]
            assert replies == []
        with closing(a_store(None, url=url)) as again, open_reader(url) as reader:
            journal = again.journal()
            assert len(ask(journal, LoadRecords(0))) == 5
            commit(journal, *a_filled_order(2))
            assert verify(reader).ok


def test_a_head_that_somebody_keeps_stops_the_engine_and_nothing_is_written(url, monkeypatch):
    monkeypatch.setitem(postgres_module._SESSION, "lock_timeout", "100ms")
    replies = []
    with closing(a_store(None, url=url)) as store:
        journal = store.journal()
        journal.append(a_note(), replies.append)
        with somebody(store.path) as other, other.transaction():
            other.execute("SELECT value FROM meta WHERE key = 'epoch' FOR UPDATE")
            with pytest.raises(StoreError, match="lock timeout"):
                journal.drain()
    with open_reader(url) as reader:
        assert (replies, reader.head().seq) == ([], 0)


@pytest.mark.slow
def test_a_deadlock_that_the_engine_loses_writes_nothing(store, url):
    journal, replies = store.journal(), []
    journal.append(a_filled_order(1)[0], replies.append)
    with somebody(store.path) as other, other.transaction():
        # The engine looks first, and gives way.
        other.execute("SET LOCAL deadlock_timeout = '30s'")
        other.execute("LOCK TABLE orders IN EXCLUSIVE MODE")
        failures = []

        def drain():
            with pytest.raises(StoreError, match="deadlock"):
                journal.drain()
            failures.append("deadlock")

        draining = threading.Thread(target=drain)
        draining.start()
        while not other.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchall():
            assert draining.is_alive()
        other.execute("SELECT value FROM meta WHERE key = 'epoch' FOR UPDATE")
        draining.join()

    assert (failures, replies) == (["deadlock"], [])
    with open_reader(url) as reader:
        assert reader.head().seq == 0


@pytest.mark.slow
def test_what_was_acknowledged_survives_kill_9_and_the_account_is_free_at_once(url):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WRITES_UNTIL_KILLED, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        acks = [process.stdout.readline().split() for _ in range(750)]
        with pytest.raises(AccountLockedError, match=f"pid {process.pid} on"):
            a_store(None, url=url)
        process.send_signal(signal.SIGKILL)
        # The last line may have been cut off.
        acks += [line.split() for line in process.stdout.read().split("\n")[:-1]]

    with closing(opened_in_time(url)) as store, open_reader(url) as reader:
        epoch = store.journal().epoch
        recorded = {str(record.seq): record.stream for record in reader.records()}
        report = verify(reader)

    assert epoch == 2
    assert all(recorded[seq] == stream for seq, stream in acks)
    assert int(acks[-1][0]) <= report.seq
    assert report.ok, report


def opened_in_time(url):
    """The server needs a moment to see that a process is gone."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return a_store(None, url=url)
        except AccountLockedError:
            if time.monotonic() > deadline:
                raise
