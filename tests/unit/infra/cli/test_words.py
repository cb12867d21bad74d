"""Every event of the journal has its words."""

import pytest

from domain.events import (
    EVENTS,
    CancelOutcome,
    EngineStopped,
    LookedUp,
    Proof,
    Quarantined,
    ReconcileBroke,
)
from domain.position import PositionChanged
from domain.terms import Standing
from infra.cli import words
from infra.cli.words import describe
from tests.unit.domain.orders import (
    EVENTS as ORDER_EVENTS,
)
from tests.unit.domain.orders import (
    NOW,
    an_order,
    cancel_ended,
    changed,
    filled,
    not_sent,
    rejected,
    restated,
    standing,
    started,
)


def test_no_event_is_without_words():
    special = {"Filled", "SubmitStarted", "Cancelled", "Expired"}
    known = {kind.__name__ for kind in words._WORDS} | special

    assert {kind.__name__ for kind in (*EVENTS, PositionChanged)} == known


@pytest.mark.parametrize("name", ORDER_EVENTS)
def test_words_are_no_representation_of_an_object(name):
    for order in (None, an_order("partly filled")):
        text = describe(ORDER_EVENTS[name], order)
        assert text
        assert not any(mark in text for mark in ("Decimal(", "datetime", "<", "None"))


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (filled(40), "filled 40 at 70,000, commission 10, tax 0 (told by the stream)"),
        (started(7), "sending, attempt 7"),
        (rejected(), "rejected by the broker: not tradable [40070000]"),
        (
            not_sent(is_counted=False),
            (
                "did not reach the broker (this one does not count); "
                "waits 1 s before attempt 1 of 4: connect timeout"
            ),
        ),
        (not_sent(4, None), "did not reach the broker; no further attempt: connect timeout"),
        (
            cancel_ended(CancelOutcome.REFUSED),
            "cancel refused by the broker: because",
        ),
        (
            LookedUp(is_settled=False, is_complete=False, reason="no answer", at=NOW),
            "the broker could not say, asking again: no answer",
        ),
        (
            changed(50, "g1", "1"),
            "corrected to 50 at 70,000 filled, commission 10, tax 0 (told by the stream)",
        ),
        (
            changed(-40, "h1", "1"),
            ("the broker withdrew 40 filled at 70,000, commission 10, tax 0 (told by the stream)"),
        ),
        (restated(), "restated by the venue to 90: declined in part"),
        (standing(), "suspended by the venue: a trading halt"),
        (standing(Standing.WORKING), "working again at the venue: a trading halt"),
        (EngineStopped(reason="asked to stop", at=NOW), "engine stopped: asked to stop"),
        (
            Quarantined(actor="order/x", message_kind="Outcome", error="KeyError", at=NOW),
            "Outcome crashed order/x twice and was put aside: KeyError",
        ),
        (
            ReconcileBroke(subject="005930", ours="100", theirs="90", at=NOW),
            "005930: ours 100, the broker's 90",
        ),
    ],
)
def test_words_of_single_events(event, text):
    assert describe(event) == text


def test_a_second_part_is_told_with_the_whole():
    order = an_order("filled")

    assert describe(filled(60), order).startswith("filled 60 more at 70,000, now 100 of 100, ")
    assert set(words._BY_PROOF) == set(Proof)
    assert set(words._BY_CANCEL) == set(CancelOutcome)
    assert set(words._BY_STANDING) == set(Standing)
