"""What every store's guard promises: only the latest epoch may send."""

import pytest

from domain.errors import NotSentError, StoreError
from domain.journal import LoadStream
from tests.unit.infra.store.stores import a_note, ask, passes


def test_the_guard_of_the_latest_epoch_lets_an_order_leave(house):
    house.journal()

    passes(house.guard())


def test_a_newer_epoch_fences_the_older_guard(house):
    house.journal()
    old = house.guard()
    house.journal()
    new = house.guard()

    with pytest.raises(NotSentError, match="taken over"):
        passes(old)
    passes(new)


def test_closing_the_store_closes_its_guard_and_its_journal(house):
    journal = house.journal()
    guard = house.guard()

    house.close()

    with pytest.raises(NotSentError):
        passes(guard)
    with pytest.raises(StoreError):
        journal.append(a_note(), lambda _: None)


def test_what_was_queued_and_not_drained_is_lost_with_its_process(house):
    house.journal().append(a_note(), lambda _: None)

    again = house.reopen()

    assert ask(again, LoadStream("signal")).events == ()
