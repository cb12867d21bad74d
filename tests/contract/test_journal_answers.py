"""What every journal answers, and that it answers the same after it was opened again."""

from decimal import Decimal

import pytest

from domain.events import EngineStarted
from domain.journal import (
    Append,
    Committed,
    FindOrder,
    LoadBook,
    LoadFills,
    LoadOpenOrders,
    LoadRecords,
    LoadStream,
)
from domain.terms import BrokerOrderId, SignalId, Symbol
from tests.unit.domain.orders import (
    B1,
    DAY,
    NOW,
    a_signal,
    accepted,
    cancelled,
    created,
    filled,
    started,
)
from tests.unit.infra.store.stores import a_filled_order, a_note, ask, book_fills, commit, steps


def test_streams_that_several_write_take_what_comes(journal):
    engine = Append(
        stream="engine",
        version=None,
        events=(EngineStarted(epoch=1, version="0.1.0", at=NOW),),
        topics=(("engine.started",),),
    )

    commit(journal, engine, a_note(), engine, a_note())

    assert len(ask(journal, LoadStream("engine")).events) == 2
    assert [r.stream_seq for r in ask(journal, LoadRecords(0))] == [1, 1, 2, 2]


def test_an_unknown_stream_is_empty(journal):
    assert ask(journal, LoadStream("order/none")).events == ()


def test_open_orders_come_whole_and_in_order_of_creation(journal):
    late = steps(started(), signal=a_signal(signal_id=SignalId("z")))
    early = steps(signal=a_signal(signal_id=SignalId("a")))
    over = steps(started(), accepted(), cancelled(), signal=a_signal(signal_id=SignalId("m")))
    commit(journal, late[0], *over, *early, late[1])

    answer = ask(journal, LoadOpenOrders())

    assert [stream.stream for stream in answer] == [late[0].stream, early[0].stream]
    assert answer[0].events == (late[0].events[0], late[1].events[0])


def test_records_come_in_pages(journal):
    commit(journal, *(a_note(str(number)) for number in range(5)))

    assert [r.seq for r in ask(journal, LoadRecords(1, 2))] == [2, 3]
    assert [r.seq for r in ask(journal, LoadRecords(3, 100))] == [4, 5]
    assert ask(journal, LoadRecords(5)) == ()


def test_fills_carry_what_the_position_needs(journal):
    commit(journal, *a_filled_order(symbol=Symbol("000660")))

    first, second = ask(journal, LoadFills(0))

    assert (first.seq, second.seq) == (4, 5)
    assert (first.symbol, first.side, first.last_qty) == ("000660", "BUY", 40)
    assert (first.broker_order_id, first.trade_date, first.exec_id) == ("0000000001", DAY, "1")
    assert (first.last_px, first.commission, first.tax) == (70_000, 10, 0)
    assert first.transact_time == NOW
    assert ask(journal, LoadFills(4)) == (second,)
    assert ask(journal, LoadFills(0, 1)) == (first,)


def test_an_order_is_found_by_the_brokers_number_of_that_day(journal):
    append = steps(started(), accepted())[-1]
    commit(journal, *steps(started(), accepted()))

    assert ask(journal, FindOrder(B1, DAY)) == append.state.client_order_id
    assert ask(journal, FindOrder(B1, DAY.replace(day=3))) is None
    assert ask(journal, FindOrder(BrokerOrderId("9"), DAY)) is None


def test_the_book_is_kept_with_its_checkpoint(journal):
    commit(journal, *a_filled_order(1), *a_filled_order(2, symbol=Symbol("000660")))

    book = book_fills(journal)

    assert book == ask(journal, LoadBook())
    assert (book.checkpoint, book.version) == (10, 4)
    assert book.position(Symbol("005930")).qty == 100
    assert book.daily[DAY].fees == 40


@pytest.mark.parametrize(
    "text", ["12345678901234567.123456789", "0.10", "1E+3", "100", "1E-8", "9" * 40]
)
def test_decimals_come_back_digit_for_digit(house, text):
    signal = a_signal(order_qty=Decimal(text))
    fill = filled(text, px=text)
    commit(house.journal(), *steps(started(), accepted(), fill, signal=signal))

    journal = house.reopen()
    events = ask(journal, LoadStream(f"order/{created(signal).client_order_id}")).events
    booked = ask(journal, LoadFills(0))[0]

    assert str(events[0].signal.order_qty) == text
    # A server's NUMERIC has no exponents: the digits are the same.
    assert [f"{value:f}" for value in (booked.last_qty, booked.last_px)] == [
        f"{fill.last_px:f}"
    ] * 2


def test_a_reopened_store_holds_all_that_was_acknowledged(house):
    first = house.journal()
    appends = [*a_filled_order(1), *a_filled_order(2)[:2]]
    commit(first, *appends)
    book = book_fills(first)

    again = house.reopen()

    records = ask(again, LoadRecords(0))
    assert [r.event for r in records[:7]] == [append.events[0] for append in appends]
    assert ask(again, LoadBook()) == book
    assert [s.stream for s in ask(again, LoadOpenOrders())] == [appends[-1].stream]
    assert commit(again, a_filled_order(2)[2])[0] == Committed(a_filled_order(2)[2], 10)
