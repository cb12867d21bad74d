"""The disk errors of the store in memory: known to have failed, and not known at all."""

import pytest

from domain.errors import StoreError
from domain.journal import LoadRecords
from tests.fakes import MemoryProcess, MemoryStore
from tests.fakes_time import ManualClock
from tests.unit.infra.store.stores import a_note, ask, commit


@pytest.mark.parametrize(("is_late", "kept"), [(False, 1), (True, 2)])
def test_a_commit_that_fails_answers_nobody_whatever_the_disk_holds(is_late, kept):
    store = MemoryStore(clock=ManualClock())
    journal, replies = MemoryProcess(store).journal(), []
    commit(journal, a_note("before"))
    store.fault, store.is_fault_late = OSError("no space"), is_late
    journal.append(a_note("lost or not"), replies.append)

    with pytest.raises(StoreError):
        journal.drain()
    store.fault = None

    assert replies == []
    with pytest.raises(StoreError):
        journal.append(a_note(), replies.append)
    assert len(ask(MemoryProcess(store).journal(), LoadRecords(0))) == kept


def test_every_append_is_heard_with_its_number_before_anybody_is_answered():
    store, heard = MemoryStore(clock=ManualClock()), []
    store.heard = lambda append, first_seq: heard.append((append.events[0].reason, first_seq))
    journal = MemoryProcess(store).journal()

    journal.append(a_note("a"), lambda _: heard.append("answered"))
    journal.append(a_note("b"), lambda _: heard.append("answered"))
    journal.drain()

    assert heard == [("a", 1), ("b", 2), "answered", "answered"]
