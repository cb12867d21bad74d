"""What only the journal on SQLite can show: transactions, faults, several connections."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from domain.errors import StoreError
from domain.journal import AppendFailed, Committed, LoadOpenOrders, LoadRecords, LoadStream
from infra.store import journal as journal_module
from infra.store import writer
from infra.store.audit import verify
from infra.store.dialect import writer_engine
from infra.store.journal import SqlJournal
from infra.store.reading import open_reader
from tests.fakes_time import ManualClock
from tests.unit.domain.orders import B1, a_signal, accepted, filled, started
from tests.unit.infra.store.stores import (
    WRITES_UNTIL_KILLED,
    a_filled_order,
    a_store,
    ask,
    commit,
    steps,
)


@pytest.fixture
def store(tmp_path):
    opened = a_store(tmp_path)
    yield opened
    opened.close()


def counting_commits(store, counts):
    journal = store.journal()
    ask(journal, LoadStream("none"))
    raw = journal._writer._driver.core.connection.driver_connection
    raw.set_trace_callback(lambda statement: statement == "COMMIT" and counts.append(1))
    return journal


def test_what_is_queued_is_one_transaction(store):
    commits = []
    journal = counting_commits(store, commits)
    commits.clear()

    replies = commit(journal, *(step for n in range(100) for step in a_filled_order(n)))

    assert len(replies) == 500
    assert len(commits) == 1


def test_loads_between_appends_need_no_transaction_of_their_own(store):
    commits, replies = [], []
    journal = counting_commits(store, commits)
    commits.clear()

    for step in a_filled_order():
        journal.append(step, replies.append)
        journal.load(LoadOpenOrders(), replies.append)
    journal.drain()

    assert len(commits) == 1
    assert [len(reply.answer[0].events) for reply in replies[1:-1:2]] == [1, 2, 3, 4]
    assert replies[-1].answer == ()


def test_a_long_queue_is_cut_into_transactions(store, monkeypatch):
    monkeypatch.setattr(journal_module, "REQUESTS_A_COMMIT", 3)
    commits, replies = [], []
    journal = counting_commits(store, commits)
    commits.clear()
    for _ in range(4):
        journal.load(LoadStream("none"), replies.append)

    assert journal.drain() == 4
    assert len(commits) == 2
    assert journal.depth == 0


def test_versions_are_right_after_they_were_forgotten(store, monkeypatch):
    monkeypatch.setattr(writer, "REMEMBERED_STREAMS", 2)
    journal = store.journal()
    orders = [a_filled_order(n) for n in range(5)]

    replies = [commit(journal, *step) for step in zip(*orders, strict=True)]

    assert all(isinstance(reply, Committed) for step in replies for reply in step)
    assert len(journal._writer._versions) == 2


def test_loads_alone_wait_for_no_writer_and_hold_none_up(store):
    journal = store.journal()
    commit(journal, *a_filled_order())
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        records = ask(journal, LoadRecords(0))

    assert len(records) == 5
    assert not journal._writer._driver.core.connection.driver_connection.in_transaction


def test_what_an_operators_command_wrote_is_noticed(store):
    journal = store.journal()
    made, sent, *_ = a_filled_order()
    commit(journal, made)
    other = SqlJournal(
        engine=writer_engine(store.path),
        path=store.path,
        epoch=journal.epoch,
        clock=ManualClock(),
    )
    commit(other, sent)

    replies = commit(journal, sent)

    assert isinstance(replies[0], AppendFailed)
    assert [r.seq for r in ask(journal, LoadRecords(0))] == [1, 2]
    other.close()


def test_every_append_of_many_threads_is_answered_once(store):
    journal, due, replies = store.journal(), threading.Semaphore(0), []
    journal.attach(due.release)
    orders = [a_filled_order(number) for number in range(40)]

    def tell(start):
        for order in orders[start::4]:
            for step in order:
                journal.append(step, replies.append)

    threads = [threading.Thread(target=tell, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    while len(replies) < 200:
        assert due.acquire(timeout=5), "appends wait and nobody was woken"
        journal.drain()
    for thread in threads:
        thread.join()

    assert sorted(reply.seq for reply in replies) == list(range(1, 201))


def test_one_impossible_row_costs_only_its_own_append(store):
    commits = []
    journal = counting_commits(store, commits)
    commit(journal, *steps(started(), accepted(), filled(40)))
    bad = steps(started(), accepted(), filled(40), signal=a_signal(signal_id="b"))
    good = a_filled_order(7)
    commits.clear()

    replies = commit(journal, *bad, *good, steps(signal=a_signal(signal_id="b"), life=2)[0])

    assert [isinstance(reply, Committed) for reply in replies] == [
        *(True, True, True, False),
        *[True] * 5,
        False,
    ]
    assert B1 in str(replies[3].error) or "UNIQUE" in str(replies[3].error)
    assert len(commits) == 1
    with open_reader(store.path) as reader:
        assert verify(reader).ok


def test_a_full_disk_acknowledges_nothing_and_stops_the_journal(store):
    journal = store.journal()
    commit(journal, *a_filled_order(1))
    journal._writer._driver.read("PRAGMA max_page_count = 1")
    replies = []
    for number in range(2, 200):
        journal.append(a_filled_order(number)[0], replies.append)

    with pytest.raises(StoreError, match=r"full.*check the disk"):
        journal.drain()

    assert replies == []
    with pytest.raises(StoreError, match="has failed"):
        journal.append(a_filled_order(3)[0], replies.append)
    with pytest.raises(StoreError, match="has failed"):
        journal.drain()
    assert len(ask(store.journal(), LoadRecords(0))) == 5


@pytest.mark.parametrize("is_written", [True, False])
def test_a_commit_of_unknown_result_acknowledges_nothing(store, is_written):
    epoch = store.journal().epoch

    class Failing(sqlite3.Connection):
        def commit(self):
            if is_written:
                super().commit()
            msg = "disk I/O error"
            raise sqlite3.OperationalError(msg)

    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(store.path, isolation_level=None, factory=Failing),
        poolclass=NullPool,
    )
    journal = SqlJournal(engine=engine, path=store.path, epoch=epoch, clock=ManualClock())
    replies, told = [], []
    journal.watch(lambda *words: told.append(words))
    journal.append(a_filled_order()[0], replies.append)

    with pytest.raises(StoreError, match="disk I/O error"):
        journal.drain()

    assert (replies, told) == ([], [])
    assert len(ask(store.journal(), LoadRecords(0))) == is_written


def test_a_reply_that_raises_stops_the_journal(store):
    journal = store.journal()
    journal.append(a_filled_order()[0], lambda _reply: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        journal.drain()
    with pytest.raises(StoreError, match="has failed"):
        journal.drain()


def test_an_event_that_cannot_be_written_is_refused_where_it_is_appended(store):
    journal = store.journal()
    made = a_filled_order()[0]
    wrong = type(made)(stream="engine", version=None, events=("text",), topics=((),))

    with pytest.raises(TypeError, match="not an event"):
        journal.append(wrong, lambda _: None)

    assert journal.depth == 0


@pytest.mark.slow
def test_what_was_acknowledged_survives_kill_9(tmp_path):
    root = Path(__file__).parents[4]
    command = [sys.executable, "-c", WRITES_UNTIL_KILLED, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        acks = [process.stdout.readline().split() for _ in range(750)]
        process.send_signal(signal.SIGKILL)
        # The last line may have been cut off.
        acks += [line.split() for line in process.stdout.read().split("\n")[:-1]]

    with closing(a_store(tmp_path)) as store, open_reader(store.path) as reader:
        recorded = {str(record.seq): record.stream for record in reader.records()}
        report = verify(reader)

    assert all(recorded[seq] == stream for seq, stream in acks)
    assert int(acks[-1][0]) <= report.seq
    assert report.ok, report
