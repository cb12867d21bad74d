"""``order show``: the story of one order."""

import re
import sqlite3
from contextlib import closing

import pytest

from domain.ids import client_order_id
from domain.order import evolve
from infra.cli.order import why_here
from tests.unit.domain.orders import an_order, cancel_requested, overdue
from tests.unit.infra.cli.stories import open_house


def happened(lines):
    """Return the words of the timeline, without time, delta and hash."""
    table = lines[lines.index("") + 2 :]
    return [re.sub(r"^\S+ \S+ +(\+\S+ s  )? *[0-9a-f]{8}  ", "", line) for line in table if line]


def test_the_story_of_a_retried_order_has_its_attempts_and_waits(lines):
    shown = lines("order", "show", "retried")

    no_connection = "place: no connection to the paper broker; nothing was sent."
    told = happened(shown)
    assert re.fullmatch(r"sending, attempt 1 of 4, after 0\.00\d s in the queue", told[1])
    assert told[2:6] == [
        f"did not reach the broker; waits 1 s before attempt 2 of 4: {no_connection}",
        "sending, attempt 2 of 4",
        f"did not reach the broker; waits 2 s before attempt 3 of 4: {no_connection}",
        "sending, attempt 3 of 4",
    ]
    assert "attempts   3" in shown
    assert any(re.search(r"2026-03-02 10:00:1\d\.\d{3}  \+[12]\.00\d s", line) for line in shown)


def test_the_story_of_a_lost_answer_tells_that_it_was_asked_for(lines):
    told = happened(lines("order", "show", "lost"))

    assert told[2].startswith("answer lost: ")
    assert told[2].endswith("executed; asking the broker")
    assert told[3] == "found at the broker, broker number 0000000004 (found by asking)"
    assert told[4].startswith("filled 3 of 3 at 200,000, commission 84, tax 0")


def test_the_story_of_a_part_that_was_cancelled(lines):
    shown = lines("order", "show", "part")

    told = happened(shown)
    assert "ordered    BUY 1,000 035720 카카오, LIMIT at 50,000, DAY" in shown
    assert "filled     500 of 1,000 at 50,000 on average" in shown
    assert any(each.startswith("filled 500 of 1,000 at 50,000, commission ") for each in told)
    assert "cancel asked for: too slow" in told
    assert told[-1].startswith("cancelled, 500 of 1,000 filled: ")


def test_an_open_order_says_why_it_is_where_it_is(lines):
    doubt, resting = lines("order", "show", "doubt"), lines("order", "show", "resting")

    assert "the broker could not say, asking again: the lookup failed: " in "\n".join(doubt)
    assert any(line.endswith("not there yet, asking again") for line in doubt)
    no_engine = " No engine is running on this store: it goes on when one starts."
    assert doubt[-1].startswith("Now: attempt 1 of 4 may have become an order: ")
    assert doubt[-1].endswith("nothing is sent again before it is proved absent." + no_engine)
    assert resting[-1] == ("Now: 1 of 1 open at the broker under number 0000000006." + no_engine)


def test_json_holds_every_event_with_its_time_status_and_hash(answer):
    shown = answer("order", "show", "retried")

    first, second = shown["timeline"][:2]
    assert shown["now"] == ""
    assert shown["queued_s"] == pytest.approx(0.001, abs=0.005)
    assert set(first) == {
        *("seq", "at", "recorded_at", "since_s", "kind", "topics", "status", "text", "event"),
        "hash",
    }
    assert (first["kind"], first["status"], first["since_s"]) == ("OrderCreated", "PENDING", None)
    assert first["event"]["signal"]["order_qty"] == "7"
    assert (second["kind"], second["status"]) == ("SubmitStarted", "SUBMITTED")
    assert len(second["hash"]) == 64
    assert answer("order", "show", "doubt")["now"].startswith("attempt 1 of 4")


def test_an_order_is_found_by_the_beginning_of_its_id(answer):
    order_id = answer("order", "show", "bought")["client_order_id"]

    assert answer("order", "show", order_id[:6])["signal_id"] == "bought"


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("nobody", "no order has that id or signal id"),
        ("", "no order has that id or signal id"),
        ("\udcff", "no order has that id"),
        ("\x1b[2J", "no order has that id or signal id"),
    ],
)
def test_an_unknown_order_is_one_clear_line(perform, stories, key, problem):
    code, out, err = perform("order", "show", key, "--store", stories)

    assert (code, out) == (1, "")
    assert problem in err
    assert err.endswith("give one in full, or enough of its beginning.\n")
    assert (err.count("\n"), "\x1b" in err) == (1, False)


def test_several_orders_that_begin_alike_are_named(perform, tmp_path):
    by_start = {}
    for signal_id in map(str, range(33)):  # One more than there are first characters.
        start = client_order_id("paper", signal_id)[0]
        by_start.setdefault(start, []).append(signal_id)
    start, alike = next((start, ids) for start, ids in by_start.items() if len(ids) > 1)
    house = open_house(tmp_path)
    for signal_id in alike[:2]:
        house.tell(signal_id, "BUY", 1, "005930", limit=100, seconds=0.5)

    code, out, err = perform("order", "show", start, "--store", tmp_path)
    house.engine.stop()

    assert (code, out) == (1, "")
    assert "several begin like that: " in err
    assert all(client_order_id("paper", signal_id) in err for signal_id in alike[:2])


def test_it_works_while_an_engine_runs_and_then_says_nothing_of_one_missing(perform, tmp_path):
    house = open_house(tmp_path)
    house.quote("005930", 70_000)
    house.tell("resting", "BUY", 1, "005930", limit=60_000)

    code, out, _ = perform("order", "show", "resting", "--store", tmp_path)
    house.engine.stop()

    assert code == 0
    assert out.endswith("Now: 1 of 1 open at the broker under number 0000000001.\n")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("pending", "it waits for its turn to be sent; "),
        ("pending with a cancel", "it is being withdrawn before it was sent."),
        ("waiting to retry", "it waits until 2026-03-02 09:30:01.000 for attempt 2 of 4; "),
        ("being sent", "attempt 1 of 4 is on its way; the broker's answer comes next."),
        ("in doubt", "attempt 1 of 4 may have become an order: read timeout. "),
        ("working", "100 of 100 open at the broker under number 0000000001."),
        ("partly filled", "60 of 100 open at the broker under number 0000000001."),
    ],
)
def test_every_open_state_has_its_reason(path, reason):
    assert why_here(an_order(path)).startswith(reason)


def test_a_wish_to_cancel_is_part_of_the_reason():
    assert why_here(an_order("being sent with a cancel")).endswith("The cancel follows it.")
    assert why_here(an_order("in doubt with a cancel")).endswith("The cancel follows it.")
    assert why_here(an_order("working with a cancel out")).endswith(
        "Cancel request 1 is on its way."
    )
    assert why_here(evolve(an_order("working"), cancel_requested())).endswith(
        "A cancel is about to be sent."
    )
    assert why_here(an_order("working with a cancel acknowledged")).endswith(
        "its report that it is done has not come."
    )


def test_an_overdue_order_is_one_to_look_at():
    late = why_here(evolve(an_order("working"), overdue()))

    assert late.endswith("longer than it should be: look at it.")


def test_a_journal_that_does_not_fit_together_is_not_shown(perform, own_stories):
    store = own_stories
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("DROP TRIGGER journal_no_update")
        connection.execute("UPDATE journal SET stream='engine', stream_seq=99 WHERE seq=2")
        connection.commit()

    code, out, err = perform("order", "show", "bought", "--store", store)

    assert (code, out) == (1, "")
    assert "Journal row 3 does not follow from those before it; run `" in err
