"""The picture, drawn on a recorded console."""

import io
from datetime import UTC, datetime
from decimal import Decimal
from threading import Event, Thread

import pytest
from rich.cells import cell_len
from rich.console import Console

from domain.session import KST, Session
from domain.terms import AccountId
from infra.clock import SystemClock
from infra.screens.blotter import Heading, LiveBlotter, draw, frame_of, tape_text
from infra.screens.feed import Feed
from tests.unit.domain.orders import accepted, doubted, filled, rejected, started
from tests.unit.infra.screens.records import Journal

AT = datetime(2026, 3, 2, 1, 2, 3, tzinfo=UTC)


@pytest.fixture
def journal():
    return Journal()


def heading(is_live=False):
    return Heading(account_id=AccountId("paper"), session=Session(), is_live=is_live)


def picture(model, width=120, height=40, *, is_live=False, caption=""):
    console = Console(record=True, width=width, height=height, file=io.StringIO())
    frame = frame_of(
        model, heading(is_live), at=AT, marks=lambda _symbol: Decimal(71_000), caption=caption
    )
    console.print(draw(frame, console))
    lines = console.export_text().splitlines()
    assert len(lines) <= height
    assert all(cell_len(line) <= width for line in lines)
    return lines


def test_the_heading_says_paper_and_the_time_in_seoul(journal):
    journal.bought("buy")

    title, caption, *_ = picture(journal.model, caption="What to look at.")

    assert " ".join(title.split()) == (
        "PAPER Oncefill 10:02:03 KST day P&L -10 after fees open P&L +100,000 "
        "orders 1, 0 open account paper"
    )
    assert caption.strip() == "What to look at."
    assert "LIVE" in picture(journal.model, is_live=True)[0]


def test_an_order_has_one_line_with_all_that_a_trader_asks(journal):
    journal.order("s-1", started(), accepted(), filled(40))

    row = next(line for line in picture(journal.model) if "PARTIAL" in line)

    assert " ".join(row.split()) == (
        "09:30:00 005930 삼성전자 BUY MARKET 100 40 ━━━━━ 70,000 PARTIAL 60 to go, waits for volume"
    )


def test_doubt_is_on_the_screen_in_words(journal):
    journal.order("s-1", started(), doubted())

    text = "\n".join(picture(journal.model))

    assert "IN_DOUBT" in text
    assert "sent, answer lost" in text


def test_positions_and_events_stand_below(journal):
    journal.bought("buy")

    text = "\n".join(picture(journal.model))

    assert "+100,000" in text
    assert "BUY 삼성전자: 100 at 70,000, done" in text


@pytest.mark.parametrize(("width", "height"), [(120, 40), (80, 24), (60, 12), (200, 60)])
def test_many_orders_never_overflow_the_terminal(journal, width, height):
    for number in range(150):
        journal.order(f"s-{number}", started(), rejected())

    text = "\n".join(picture(journal.model, width, height))

    assert "REJECTED" in text


def test_a_narrow_terminal_still_names_what_is_held(journal):
    journal.bought("buy")

    lines = picture(journal.model, 80, 24)

    (held,) = (line for line in lines if line.startswith("│ 005930"))
    assert held.split()[:5] == ["│", "005930", "100", "+100,000", "-10"]


def test_nothing_yet_is_said(journal):
    assert any("no orders yet" in line for line in picture(journal.model))


def test_a_line_of_the_tape_stands_alone_as_text(journal):
    line = journal.bought("buy")

    assert tape_text(line, KST) == "09:30:04  FILLED     BUY 005930 삼성전자: 100 at 70,000, done"
    assert tape_text(journal.sold("sell"), KST).split()[1:4] == ["005930", "삼성전자:", "P&L"]


def test_a_feed_tells_lines_and_wakes_who_waits(journal):
    feed, lines, is_told = Feed(journal.model), [], Event()
    feed.listen(lines.append)
    waiter = Thread(
        target=lambda: feed.wait_until(lambda model: model.counts(), 5.0) and is_told.set()
    )
    waiter.start()

    feed.take(Journal().record("order/x", doubted()))
    assert lines == []
    journal.bought("buy")
    feed.take(journal.record("order/x", doubted()))

    waiter.join(5)
    assert is_told.is_set()
    assert not feed.wait_until(lambda _model: False, -1.0)
    assert feed.read(lambda model: model.is_quiet)


def test_the_live_blotter_draws_on_the_second_screen_and_leaves_it(journal):
    journal.bought("buy")
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, height=40)

    with LiveBlotter(
        Feed(journal.model), heading(), clock=SystemClock(), marks=lambda _s: None, console=console
    ) as blotter:
        blotter.caption = "Look."

    assert "PAPER" in out.getvalue()
    assert out.getvalue().index("\x1b[?1049h") < out.getvalue().index("\x1b[?1049l")
