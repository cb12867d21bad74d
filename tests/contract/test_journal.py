"""What every journal promises: the one on SQLite, and the fake that actors are tested with."""

import pytest

from domain.errors import ConflictError, FencedError, NotCreatedError, StoreError
from domain.journal import (
    Append,
    AppendFailed,
    Committed,
    LoadFills,
    LoadRecords,
    LoadStream,
)
from domain.terms import SignalId
from tests.fakes_time import ManualClock
from tests.unit.domain.orders import (
    a_signal,
    accepted,
    filled,
    started,
)
from tests.unit.infra.store.stores import a_filled_order, a_note, ask, commit, steps


def test_nothing_is_answered_before_the_drain(journal):
    replies = []

    journal.append(a_note(), replies.append)
    journal.load(LoadStream("signal"), replies.append)

    assert replies == []
    assert journal.drain() == 2
    assert len(replies) == 2


def test_a_drain_of_nothing_does_nothing(journal):
    told = []
    journal.watch(lambda *words: told.append(words))

    assert journal.drain() == 0
    assert told == []


def test_replies_come_in_the_order_of_the_questions_with_growing_numbers(journal):
    replies = []
    notes = [a_note(str(number)) for number in range(5)]

    for note in notes:
        journal.append(note, replies.append)
    journal.load(LoadStream("signal"), replies.append)
    journal.append(notes[0], replies.append)
    journal.drain()

    assert replies[:5] == [Committed(note, seq) for seq, note in enumerate(notes, 1)]
    assert [event.reason for event in replies[5].answer.events] == list("01234")
    assert replies[6] == Committed(notes[0], 6)


def test_a_load_sees_all_that_was_queued_before_it_and_nothing_after(journal):
    replies = []

    for text in "abc":
        journal.load(LoadRecords(0), replies.append)
        journal.append(a_note(text), lambda _: None)
    journal.load(LoadRecords(0), replies.append)
    journal.drain()

    assert [len(reply.answer) for reply in replies] == [0, 1, 2, 3]


def test_one_drain_is_one_commit_and_the_watchers_hear_of_it_after_the_replies(journal):
    heard = []
    journal.watch(lambda seq, _: heard.append(seq))

    for number in range(50):
        journal.append(a_note(str(number)), lambda reply: heard.append(f"reply {reply.seq}"))
    journal.drain()

    assert heard == [*(f"reply {seq}" for seq in range(1, 51)), 50]


def test_watchers_are_told_whether_the_commit_held_a_fill(journal):
    made, sent, taken, *parts = a_filled_order()
    told = []
    journal.watch(lambda *words: told.append(words))

    commit(journal, made, sent, taken)
    commit(journal, a_note(), *parts, a_note())
    commit(journal, a_note())
    ask(journal, LoadRecords(0))

    assert told == [(3, False), (7, True), (8, False)]


def test_a_fill_that_was_refused_is_not_told(journal):
    mine = steps(started(), accepted(), filled(40), signal=a_signal(signal_id=SignalId("a")))
    other = steps(started(), accepted(), filled(40), signal=a_signal(signal_id=SignalId("b")))
    commit(journal, *mine, *other[:3])
    told = []
    journal.watch(lambda *words: told.append(words))

    commit(journal, other[3], a_note())

    assert told == [(8, False)]


def test_watchers_do_not_hear_of_loads(journal):
    commit(journal, a_note())
    told = []
    journal.watch(lambda *words: told.append(words))

    ask(journal, LoadRecords(0))

    assert told == []


def test_the_writer_is_woken_once_until_it_drains(journal):
    wakes = []
    journal.append(a_note(), lambda _: None)
    journal.attach(lambda: wakes.append("wake"))
    assert wakes == ["wake"]

    journal.append(a_note(), lambda _: None)
    journal.load(LoadRecords(0), lambda _: None)
    assert len(wakes) == 1

    journal.drain()
    journal.append(a_note(), lambda _: None)
    assert len(wakes) == 2


def test_what_a_reply_appends_waits_for_the_next_drain(journal):
    wakes = []
    journal.attach(lambda: wakes.append("wake"))
    journal.append(a_note("first"), lambda _: journal.append(a_note("second"), lambda _: None))

    assert journal.drain() == 1
    assert len(wakes) == 2
    assert journal.drain() == 1
    assert len(ask(journal, LoadStream("signal")).events) == 2


def test_the_events_of_an_append_get_consecutive_numbers(journal):
    first, second = steps(started())
    both = Append(
        stream=first.stream,
        version=0,
        events=(*first.events, *second.events),
        topics=(("order.created",), ("order.submitted", "order.x")),
        state=second.state,
    )

    replies = commit(journal, a_note(), both)
    records = ask(journal, LoadRecords(1))

    assert replies[1] == Committed(both, 3)
    assert [(r.seq, r.stream_seq, r.kind) for r in records] == [
        (2, 1, "OrderCreated"),
        (3, 2, "SubmitStarted"),
    ]
    assert records[1].topics == ("order.submitted", "order.x")
    assert records[1].event == both.events[1]
    assert records[0].recorded_at == ManualClock().now()


def test_a_stream_that_holds_more_than_believed_refuses_the_append(journal):
    made, sent, taken, _, _ = a_filled_order()
    commit(journal, made, sent)

    replies = commit(journal, steps(signal=made.state.signal, life=2)[0], taken)

    assert isinstance(replies[0], AppendFailed)
    assert isinstance(replies[0].error, ConflictError)
    assert replies[1] == Committed(taken, 3)


@pytest.mark.parametrize("drains", [1, 2])
def test_after_a_failed_append_the_same_life_is_refused_and_the_next_is_not(journal, drains):
    made, sent, *_ = a_filled_order()
    replies = []
    journal.append(sent, replies.append)
    for _ in range(drains - 1):
        journal.drain()
    journal.append(made, replies.append)
    again = [Append(**{**_fields(append), "life": 2}) for append in (made, sent)]

    replies += commit(journal, *again)

    assert [type(reply).__name__ for reply in replies] == [
        "AppendFailed",
        "AppendFailed",
        "Committed",
        "Committed",
    ]
    assert [reply.seq for reply in replies[2:]] == [1, 2]


@pytest.mark.parametrize("drains", [1, 2])
def test_what_builds_on_a_creation_that_was_refused_is_refused(journal, drains):
    """Also when the stream holds just as many events, from another creation."""
    made, sent, *_ = a_filled_order()
    commit(journal, made)
    replies = []
    journal.append(Append(**{**_fields(made), "life": 5}), replies.append)
    for _ in range(drains - 1):
        journal.drain()
    built = Append(**{**_fields(sent), "life": 6, "creator": 5})
    by_another = Append(**{**_fields(sent), "life": 7, "creator": 4})

    replies += commit(journal, built, built, by_another)

    assert [type(reply).__name__ for reply in replies] == [
        "AppendFailed",
        "AppendFailed",
        "AppendFailed",
        "Committed",
    ]
    assert [isinstance(reply.error, NotCreatedError) for reply in replies[:3]] == [
        False,
        True,
        True,
    ]


def test_a_failed_append_leaves_the_others_of_its_drain_alone(journal):
    good, bad = a_filled_order(1), a_filled_order(2)

    replies = commit(journal, good[0], bad[1], good[1], a_note())

    assert [isinstance(reply, Committed) for reply in replies] == [True, False, True, True]
    assert [record.seq for record in ask(journal, LoadRecords(0))] == [1, 2, 3]


def test_an_execution_is_booked_once_whoever_claims_it(journal):
    mine = steps(started(), accepted(), filled(40), signal=a_signal(signal_id=SignalId("a")))
    other = steps(started(), accepted(), filled(40), signal=a_signal(signal_id=SignalId("b")))

    replies = commit(journal, *mine, *other, a_note())

    assert [isinstance(reply, Committed) for reply in replies] == [True] * 7 + [False, True]
    assert isinstance(replies[7].error, ConflictError)
    assert len(ask(journal, LoadFills(0))) == 1
    assert len(ask(journal, LoadStream(other[0].stream)).events) == 3


def test_an_append_with_an_impossible_event_writes_none_of_its_events(journal):
    mine = steps(started(), accepted(), filled(40), signal=a_signal(signal_id=SignalId("a")))
    made, sent, taken, part = steps(
        started(), accepted(), filled(40), signal=a_signal(signal_id=SignalId("b"))
    )
    both = Append(
        stream=made.stream,
        version=2,
        events=(*taken.events, *part.events),
        topics=((), ()),
        state=part.state,
    )

    replies = commit(journal, *mine, made, sent, both)

    assert isinstance(replies[-1], AppendFailed)
    assert len(ask(journal, LoadStream(made.stream)).events) == 2


def test_a_newer_epoch_fences_the_older_journal(house):
    old = house.journal()
    commit(old, a_note("mine"))
    new = house.journal()
    replies = []
    old.append(a_note("too late"), replies.append)
    old.load(LoadRecords(0), replies.append)

    with pytest.raises(FencedError):
        old.drain()

    assert replies == []
    assert new.epoch > old.epoch
    assert [r.event.reason for r in ask(new, LoadRecords(0))] == ["mine"]


def test_a_journal_that_failed_takes_nothing_more(house):
    old = house.journal()
    old.append(a_note(), lambda _: None)
    house.journal()
    with pytest.raises(FencedError):
        old.drain()

    for refused in (
        old.drain,
        lambda: old.append(a_note(), lambda _: None),
        lambda: old.load(LoadRecords(0), lambda _: None),
    ):
        with pytest.raises(FencedError):
            refused()


def test_a_closed_journal_takes_nothing_more(journal):
    journal.close()

    with pytest.raises(StoreError, match="closed"):
        journal.append(a_note(), lambda _: None)


def _fields(append):
    return {name: getattr(append, name) for name in Append.__slots__}
