"""Records in, rows out."""

from decimal import Decimal

import pytest

from domain.events import EngineStarted, Quarantined, ReconcileBroke, SignalRefused, Source
from domain.instrument import Instruments
from domain.settings import Settings
from domain.terms import OrderStatus, OrderType, Side, Symbol
from infra.plain import clean
from infra.screens.model import TAPE_LENGTH, BlotterModel
from infra.screens.words import money, number, signed
from tests.unit.domain.orders import (
    DAY,
    NOW,
    PATHS,
    accepted,
    cancel_ended,
    cancel_requested,
    cancelled,
    changed,
    doubted,
    filled,
    flagged,
    looked_up,
    not_sent,
    overdue,
    rejected,
    restated,
    standing,
    started,
)
from tests.unit.infra.screens.records import Journal


@pytest.fixture
def journal():
    return Journal()


def note(journal):
    return journal.model.rows(1)[0].note


def no_marks(_symbol):
    return None


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("pending", "waits for its turn to be sent"),
        ("waiting to retry", "waits 1 s before attempt 2 of 4"),
        ("being sent", "sent, waits for the answer"),
        ("working", "at the broker"),
        ("working with a cancel out", "cancel asked: changed my mind"),
        ("in doubt", "sent, answer lost; asking the broker"),
        ("partly filled", "60 to go, waits for volume"),
        ("restated", "50 to go, waits for volume"),
        ("suspended", "suspended; at the broker"),
        ("filled", ""),
        ("filled by a restatement", ""),
        ("cancelled", "cancelled"),
        ("expired", "the session closed"),
        ("rejected", "not tradable"),
        ("failed", "too late"),
    ],
)
def test_a_row_says_why_an_order_is_where_it_is(journal, path, said):
    status, events = PATHS[path]

    journal.order("s-1", *events)

    (row,) = journal.model.rows(5)
    assert (row.status, row.note) == (status, said)


def test_a_row_shows_the_order_as_a_trader_reads_it(journal):
    limit = {"order_type": OrderType.LIMIT, "limit_px": Decimal(70_000)}
    journal.order("s-1", started(), accepted(), filled(40, px=69_900), **limit)

    (row,) = journal.model.rows(5)

    assert (row.symbol, row.name, row.side) == ("005930", "삼성전자", "BUY")
    assert (row.terms, row.order_qty, row.cum_qty) == ("LIMIT 70,000", 100, 40)
    assert row.avg_px == 69_900


def test_a_retry_says_how_long_and_which_attempt(journal):
    again = (started(), not_sent(), started(2), not_sent(2, retry_in_s=2.0))
    line = journal.order("s-1", *again)

    assert note(journal) == "waits 2 s before attempt 3 of 4"
    assert line.text == "not sent, waits 2 s before attempt 3 of 4: connect timeout"
    journal.more("s-1", started(3))
    assert note(journal) == "sent, waits for the answer (attempt 3 of 4)"
    journal.more("s-1", accepted(), filled())
    assert note(journal) == "sent on attempt 3"


def test_an_order_in_doubt_says_that_it_is_looked_for_and_how_it_was_found(journal):
    journal.order("s-1", started(), doubted(), looked_up())
    assert note(journal) == "sent, answer lost; not found yet, asking the broker"

    line = journal.more("s-1", accepted())

    assert line.text == f"found at the broker by {Source.ANSWER.lower()}; it is sent no second time"
    journal.more("s-1", filled())
    assert note(journal) == "found at the broker, sent once"


def test_a_cancelled_order_says_who_wanted_it_not_the_request_s_number(journal):
    line = journal.order("s-1", started(), accepted(), cancel_requested(), cancelled())

    assert note(journal) == "changed my mind"
    assert line.text == "cancelled: changed my mind"


def test_flags_and_what_is_overdue_come_first(journal):
    journal.order("s-1", started(), accepted(), overdue(), flagged())

    assert note(journal) == "LOOK: UNEXPECTED_END: why; overdue; at the broker"


def test_a_closing_order_says_what_it_earned_after_its_fees(journal):
    journal.bought("buy", px=70_000)

    line = journal.sold("sell", px=72_000)

    # 200,000 gross, less commission 10 and tax 90 of the sale.
    assert note(journal) == "P&L +199,900 after fees"
    assert line.text.startswith("P&L +199,900, 100 closed at 72,000, flat (gross +200,000")
    assert journal.model.day_net(DAY) == 199_890
    assert journal.model.is_quiet


def test_positions_are_valued_at_the_last_price_where_one_is_known(journal):
    journal.bought("buy", px=70_000)

    (known,) = journal.model.positions(lambda _symbol: Decimal(70_500))
    (unknown,) = journal.model.positions(no_marks)

    assert (known.qty, known.unrealized, known.realized_net) == (100, 50_000, -10)
    assert (unknown.last_px, unknown.unrealized) == (None, None)


def test_the_newest_orders_are_shown_but_no_open_one_is_pushed_out(journal):
    journal.order("open", started(), accepted())
    for number_ in range(5):
        journal.bought(f"s-{number_}")

    rows = journal.model.rows(3)

    assert [row.status for row in rows] == ["FILLED", "FILLED", "SUBMITTED"]
    assert journal.model.rows(0) == ()
    assert len(journal.model.rows(100)) == 6
    assert journal.model.counts() == {OrderStatus.SUBMITTED: 1, OrderStatus.FILLED: 5}


def test_it_is_quiet_only_when_every_fill_is_in_a_position(journal):
    assert journal.model.is_quiet
    fill = filled()
    journal.order("s-1", started(), accepted())
    assert not journal.model.is_quiet
    journal.more("s-1", fill)
    assert not journal.model.is_quiet

    journal.book("s-1", fill, Side.BUY)

    assert journal.model.is_quiet


def test_an_order_from_before_the_first_record_is_left_out(journal):
    assert journal.more("unknown", accepted()) is None
    assert journal.model.rows(5) == ()


def test_the_tape_keeps_what_matters_and_not_for_ever(journal):
    assert journal.order("s-1", started()) is None
    assert journal.more("s-1", accepted(), cancel_requested(), cancel_ended()) is None
    for number_ in range(TAPE_LENGTH):
        journal.order(f"t-{number_}", started(), rejected())

    assert len(journal.model.tape(1000)) == TAPE_LENGTH
    assert [line.text for line in journal.model.tape(1)] == ["rejected: not tradable"]
    assert journal.model.tape(0) == ()


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (restated(), "restated to 90 by the venue: declined in part"),
        (standing(), "suspended at the venue: a trading halt"),
        (changed(50, "g1", "1"), "50 at 70,000, 10 to go"),
    ],
)
def test_what_the_venue_changes_is_on_the_tape(journal, event, text):
    journal.order("s-1", started(), accepted(), filled(40))

    journal.more("s-1", event)

    assert journal.model.tape(1)[0].text == text


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (EngineStarted(epoch=1, version="1", at=NOW), "engine started"),
        (
            SignalRefused(signal_id="s", field="limit_px", reason="off tick", at=NOW),
            "signal s refused: limit_px: off tick",
        ),
        (
            Quarantined(actor="a", message_kind="Go", error="ValueError", at=NOW),
            "LOOK: a put a Go aside: ValueError",
        ),
        (
            ReconcileBroke(subject="position 005930", ours="1", theirs="2", at=NOW),
            "LOOK: position 005930: ours 1, the broker's 2",
        ),
    ],
)
def test_what_is_about_no_order_is_on_the_tape_as_well(journal, event, text):
    (line,) = journal.tell("engine", event)

    assert (line.text, line.side, line.status) == (text, None, None)


def test_a_symbol_that_nobody_knows_has_no_name():
    journal = Journal(BlotterModel(Settings(instruments=Instruments(default=None))))

    journal.order("s-1", symbol=Symbol("999999"))

    assert journal.model.rows(1)[0].name == ""


def test_numbers_are_written_for_people():
    assert [number(Decimal(n)) for n in ("1200", "1E3", "70033.333", "0.50")] == [
        "1,200",
        "1,000",
        "70,033.33",
        "0.50",
    ]
    assert [signed(Decimal(n)) for n in (5, 0, -5)] == ["+5", "0", "-5"]
    assert [money(Decimal(n)) for n in ("-1234.56", "999.5")] == ["-1,235", "+999.50"]


def test_the_broker_s_words_cannot_steer_the_terminal():
    assert clean("bad\x1b[2J\n  news") == "bad?[2J news"
