"""Taking over a store on a server: the holder's own lines are ended, and it goes no further."""

import os
from contextlib import closing
from threading import Thread

import pytest

from domain.errors import AccountLockedError, NotSentError, StoreError
from infra.cli.takeover import take_over
from infra.store.audit import verify
from infra.store.places import end_lines, place_of
from infra.store.reading import open_reader
from tests.servers import somebody
from tests.unit.infra.store.stores import a_filled_order, a_note, a_store, commit, passes


@pytest.fixture
def url(postgres):
    return postgres.url()


def test_nobody_is_ended_where_nobody_holds_the_lock(url):
    assert take_over(place_of(url)) == "", "not even a schema"
    a_store(None, url=url).close()

    assert end_lines(place_of(url)) is None
    assert take_over(place_of(url)) == ""


def test_the_earlier_engine_loses_its_lock_and_is_fenced_off(url):
    replies = []
    with closing(a_store(None, url=url)) as earlier:
        journal, guard = earlier.journal(), earlier.guard()
        commit(journal, *a_filled_order(1))
        passes(guard)

        # As from another machine: no process is killed, this one least of all.
        assert f"pid {os.getpid()} on" in take_over(place_of(url))

        with closing(a_store(None, url=url)) as later:
            later.journal()
            with pytest.raises(NotSentError, match="taken over"):
                passes(guard)
            journal.append(a_note(), replies.append)
            with pytest.raises(StoreError):
                journal.drain()
            passes(later.guard())
    assert replies == []


def test_an_engine_that_is_stopped_in_a_commit_does_not_keep_the_next_out(url):
    failures, replies = [], []
    with closing(a_store(None, url=url)) as earlier:
        journal = earlier.journal()
        commit(journal, *a_filled_order(1))
        journal.append(a_note(), replies.append)
        with somebody(place_of(url)) as other:
            draining = committing(journal, other, failures)
            end_lines(place_of(url))
            with closing(a_store(None, url=url)) as later:
                commit(later.journal(), *a_filled_order(2))
        draining.join()

    assert (len(failures), replies) == (1, [])
    with open_reader(url) as reader:
        assert (reader.head().seq, verify(reader).ok) == (10, True)


def committing(journal, other, failures):
    """Let the journal drain up to its insert, where it waits for ``other`` to go away."""
    other.execute("""
        CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
          'BEGIN IF NEW.stream = ''signal'' THEN PERFORM pg_advisory_xact_lock(42); END IF;
           RETURN NULL; END';
        CREATE TRIGGER wait AFTER INSERT ON journal FOR EACH ROW EXECUTE FUNCTION wait();
        SELECT pg_advisory_lock(42)""")

    def drain():
        try:
            journal.drain()
        except StoreError as error:
            failures.append(error)

    draining = Thread(target=drain)
    draining.start()
    while not other.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchall():
        assert draining.is_alive()
    return draining


def test_a_halt_or_a_reader_beside_the_engine_is_left_alone(url):
    with closing(a_store(None, url=url)) as store, open_reader(url) as reader:
        store.journal()
        with reader.snapshot():
            end_lines(place_of(url))
            assert reader.head().seq == 0


def test_who_may_not_end_its_lines_is_told_who_it_is(url):
    place = place_of(url)
    with closing(a_store(None, url=url)), somebody(place) as other:
        other.execute("CREATE ROLE weak LOGIN")
        other.execute(f"GRANT USAGE ON SCHEMA {place.schema} TO weak")
        other.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {place.schema} TO weak")
        user = place.options["user"]

        with pytest.raises(AccountLockedError, match=f"pid {os.getpid()} on .* may not end"):
            end_lines(place_of(url.replace(f"//{user}@", "//weak@")))
        with pytest.raises(AccountLockedError):
            a_store(None, url=url)
