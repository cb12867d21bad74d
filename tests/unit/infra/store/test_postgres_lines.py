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
from contextlib import closing
from pathlib import Path

import pytest

from domain.errors import AccountLockedError, StoreError
from domain.journal import LoadRecords
from infra.store.audit import verify
from infra.store.reading import open_reader
from tests.house.files import ROOT
from tests.servers import somebody
from tests.unit.infra.store.stores import (
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
    """Carries bytes to the server; once armed, the next COMMIT is the last that it carries.

    With ``is_committed`` the server hears it and answers, and nobody hears the answer.
    """

    def __init__(self, host, folder, *, is_committed):
        self.is_armed = False
        self._server = f"{host}/.s.PGSQL.5432"
        self._is_committed = is_committed
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
                    if end is client and self.is_armed and b"COMMIT\0" in data:
                        if self._is_committed:
                            server.sendall(data)
                            server.recv(65536)
                        return
                    (server if end is client else client).sendall(data)


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_line_that_breaks_during_commit_acknowledges_nothing(postgres, is_committed):
    url = postgres.url()
    with tempfile.TemporaryDirectory() as short:  # A socket's path is at most 107 long.
        line = CutLine(postgres.host, Path(short), is_committed=is_committed)
        with closing(line), closing(a_store(None, url=url.replace(postgres.host, short))) as store:
            journal = store.journal()
            commit(journal, *a_filled_order(1))
            replies, told = [], []
            journal.watch(lambda *words: told.append(words))
            line.is_armed = True
            journal.append(a_note(), replies.append)

            with pytest.raises(StoreError, match="Nothing of this commit was acknowledged"):
                journal.drain()
            line.is_armed = False

            assert (replies, told) == ([], [])
            with pytest.raises(StoreError, match="has failed"):
                journal.drain()
    with closing(a_store(None, url=url)) as store:
        assert len(ask(store.journal(), LoadRecords(0))) == 5 + is_committed


WRITES_UNTIL_KILLED = """
import sys
from domain.journal import Committed
from infra.log import configure_log
from tests.unit.infra.store.stores import a_filled_order, a_store

configure_log(level="warning")
store = a_store(None, url=sys.argv[1])
journal = store.journal()
def acknowledged(reply):
    assert isinstance(reply, Committed)
    print(reply.seq, reply.append.stream, flush=True)
number = 0
while True:
    for _ in range(20):
        number += 1
        for step in a_filled_order(number):
            journal.append(step, acknowledged)
    journal.drain()
"""


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
