"""Reading, admitting and comparing signals."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from domain.errors import InvalidInputError
from domain.instrument import Instrument, Instruments
from domain.signal import Cancel, Signal, admit, parse_cancel, parse_signal, signal_digest
from domain.terms import AccountId, OrderType, Side, SignalId, StrategyId, Symbol, TimeInForce

NOW = datetime(2024, 1, 3, 1, 0, tzinfo=UTC)
TODAY = date(2024, 1, 3)
DELETE = object()


def a_raw(**changes):
    raw = {
        "signal_id": "sig-1",
        "account_id": "paper",
        "symbol": "005930",
        "side": "BUY",
        "order_qty": "100",
        **changes,
    }
    return {name: value for name, value in raw.items() if value is not DELETE}


def a_signal(**changes):
    return parse_signal(a_raw(**changes))


def a_limit(limit_px="70000", **changes):
    return a_signal(order_type="LIMIT", limit_px=limit_px, **changes)


def refusal_of(call, *args, **named):
    with pytest.raises(InvalidInputError) as refused:
        call(*args, **named)
    return refused.value


def admitted(signal, *, instruments=None, now=NOW):
    known = instruments or Instruments()
    admit(signal, account_id=AccountId("paper"), instruments=known, on=TODAY, now=now)


def test_text_becomes_a_typed_signal():
    signal = a_limit(
        time_in_force="IOC", strategy_id="cross 5/20", deadline="2024-01-03T10:00:30+09:00"
    )

    assert signal == Signal(
        signal_id=SignalId("sig-1"),
        account_id=AccountId("paper"),
        symbol=Symbol("005930"),
        side=Side.BUY,
        order_qty=Decimal(100),
        order_type=OrderType.LIMIT,
        limit_px=Decimal(70_000),
        time_in_force=TimeInForce.IOC,
        strategy_id=StrategyId("cross 5/20"),
        deadline=datetime(2024, 1, 3, 1, 0, 30, tzinfo=UTC),
    )
    assert type(signal.side) is Side
    assert signal.deadline.tzinfo is UTC


def test_what_is_left_out_takes_its_default():
    signal = a_signal(limit_px=None, deadline=None)

    assert signal.order_type is OrderType.MARKET
    assert signal.time_in_force is TimeInForce.DAY
    assert (signal.limit_px, signal.strategy_id, signal.deadline) == (None, "", None)


def test_a_signal_made_by_hand_is_typed_as_well():
    by_hand = Signal(
        signal_id="sig-1", account_id="paper", symbol="005930", side="BUY", order_qty=100
    )

    assert parse_signal(by_hand) == a_signal()
    assert type(parse_signal(by_hand).order_qty) is Decimal
    assert parse_signal(a_signal()) == a_signal()


@pytest.mark.parametrize("name", ["signal_id", "account_id", "symbol", "side", "order_qty"])
def test_a_required_field_that_is_missing_is_named(name):
    refusal = refusal_of(parse_signal, a_raw(**{name: DELETE}))

    assert (refusal.field, str(refusal)) == (name, f"{name}: it is required")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("order_quantity", "order_quantity: unknown field; did you mean order_qty?"),
        ("zzz", "zzz: unknown field; known are signal_id, account_id, symbol, side,"),
        ("bad\nname\u202e", "bad\\nname\\u202e: unknown field"),
        (7, "7: unknown field"),
    ],
)
def test_an_unknown_field_is_refused_by_its_name(name, text):
    assert str(refusal_of(parse_signal, {**a_raw(), name: 1})).startswith(text)


@pytest.mark.parametrize("character", ["x", "\U0001f600"])
def test_the_name_of_an_unknown_field_is_shown_short(character):
    assert len(refusal_of(parse_signal, {**a_raw(), character * 10_000: 1}).field) == 64


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            (name, value)
            for name in ("signal_id", "account_id")
            for value in ("", "x" * 65, "a\nb", "\x00", " a", "a ", "삼성", 7, None, b"a")
        ),
        *(("strategy_id", value) for value in ("x" * 65, "a\tb", None)),
        *(("symbol", value) for value in ("", "x" * 21, "A B", "삼성전자", "A;B", 5930, None)),
        *(("side", value) for value in ("buy", "HOLD", "", OrderType.MARKET, 1, None, [])),
        *(("order_type", value) for value in ("STOP", None)),
        *(("time_in_force", value) for value in ("GTC", None)),
        *(("order_qty", value) for value in (100.0, "NaN", "1e99", True, None, "")),
        *(("limit_px", value) for value in (70000.0, "Infinity", False, "")),
        *(
            ("deadline", value)
            for value in (
                "soon",
                "",
                "2024-01-03",
                "2024-01-03T10:00:00",
                "\uff12024-01-03T10:00:00Z",
                "0001-01-01T00:00:00+09:00",
                datetime.fromisoformat("2024-01-03"),
                date(2024, 1, 3),
                1704243600,
            )
        ),
    ],
)
def test_a_field_of_no_use_is_refused_by_its_name_and_its_value_is_not_repeated(name, value):
    refusal = refusal_of(parse_signal, a_raw(**{name: value}))

    assert refusal.field == name
    assert ": give " in str(refusal)
    if isinstance(value, str) and len(value) > 20:
        assert value not in str(refusal)


@pytest.mark.parametrize("raw", [None, "BUY 100 005930", [("signal_id", "a")], 7])
def test_something_without_fields_is_no_signal(raw):
    assert refusal_of(parse_signal, raw).field == "signal"


def test_the_longest_texts_fit():
    signal = a_signal(signal_id="x" * 64, account_id="paper", symbol="A-b_c./9" + "0" * 12)

    assert (len(signal.signal_id), len(signal.symbol)) == (64, 20)


@pytest.mark.parametrize(
    "signal",
    [
        a_signal(),
        a_limit(),
        a_signal(order_qty="1e9"),
        a_signal(order_qty="100.0"),
        *(a_signal(time_in_force=tif) for tif in TimeInForce),
        a_signal(deadline=NOW + timedelta(seconds=1)),
        a_limit("199900"),
    ],
)
def test_a_sound_signal_is_admitted(signal):
    admitted(signal)


@pytest.mark.parametrize(
    ("signal", "field", "problem"),
    [
        (a_signal(account_id="other"), "account_id", "this engine trades paper only"),
        (a_signal(order_qty="0"), "order_qty", "more than 0"),
        (a_signal(order_qty="-100"), "order_qty", "more than 0"),
        (a_signal(order_qty="1000000001"), "order_qty", "at most 1000000000"),
        (a_signal(order_qty="0.5"), "order_qty", "multiple of the lot, 1"),
        (a_signal(limit_px="70000"), "limit_px", "leave it out of a MARKET order"),
        (a_signal(order_type="LIMIT"), "limit_px", "a LIMIT order needs a price above 0"),
        (a_limit("0"), "limit_px", "above 0"),
        (a_limit("-70000"), "limit_px", "above 0"),
        (a_limit("70050"), "limit_px", "multiple of the tick at that price, 100"),
        (a_signal(deadline=NOW), "deadline", "it has passed"),
        (a_signal(deadline=NOW - timedelta(hours=1)), "deadline", "it has passed"),
    ],
)
def test_a_signal_against_the_rules_is_refused_by_its_field(signal, field, problem):
    refusal = refusal_of(admitted, signal)

    assert refusal.field == field
    assert problem in str(refusal)


def test_an_unknown_symbol_is_refused_when_there_is_no_default():
    assert refusal_of(
        admitted, a_signal(), instruments=Instruments(table=(), default=None)
    ).field == ("symbol")


def test_the_lot_is_that_of_the_instrument():
    by_ten = Instruments(table=(Instrument(symbol=Symbol("005930"), lot=Decimal(10)),))

    admitted(a_signal(order_qty="30"), instruments=by_ten)

    assert refusal_of(admitted, a_signal(order_qty="35"), instruments=by_ten).field == "order_qty"


def test_the_digest_of_a_signal_never_changes():
    # Journaled with the order: another value would make every repeated signal a conflict.
    digest = "06fd29a9afd8769ddea93727e288ca24f78222b550929299e4d0d4a2caad1160"

    assert signal_digest(a_limit(deadline=NOW)) == digest


@pytest.mark.parametrize(
    ("one", "same"),
    [
        (a_signal(order_qty="100"), a_signal(order_qty="100.0")),
        (a_signal(order_qty="100"), a_signal(order_qty="1E+2")),
        (a_limit("70000"), a_limit("7e4")),
        (
            a_signal(deadline="2024-01-03T10:00:00+09:00"),
            a_signal(deadline="2024-01-03T01:00:00Z"),
        ),
        (
            a_signal(),
            Signal(
                signal_id="sig-1",
                account_id="paper",
                symbol="005930",
                side="BUY",
                order_qty=Decimal(100),
            ),
        ),
    ],
)
def test_the_same_content_has_the_same_digest(one, same):
    assert signal_digest(one) == signal_digest(same)


def test_every_field_counts_in_the_digest():
    signals = [
        a_signal(),
        a_signal(signal_id="sig-2"),
        a_signal(account_id="other"),
        a_signal(symbol="000660"),
        a_signal(side="SELL"),
        a_signal(order_qty="101"),
        a_limit(),
        a_limit("70100"),
        a_signal(time_in_force="IOC"),
        a_signal(strategy_id="a"),
        a_signal(strategy_id="a b"),
        a_signal(deadline=NOW),
        a_signal(deadline=NOW.astimezone(timezone(timedelta(hours=9))) + timedelta(seconds=1)),
    ]

    assert len({signal_digest(signal) for signal in signals}) == len(signals)


def test_a_cancel_is_read_as_strictly():
    raw = {
        "signal_id": "sig-1",
        "account_id": "paper",
        "reason": "손절 취소",
        "requested_by": "kim",
    }

    assert parse_cancel(raw) == Cancel(
        signal_id=SignalId("sig-1"),
        account_id=AccountId("paper"),
        reason="손절 취소",
        requested_by="kim",
    )
    assert parse_cancel(parse_cancel(raw)) == parse_cancel(raw)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"signal_id": ""}, "signal_id"),
        ({"account_id": None}, "account_id"),
        ({"reason": "a\x1b[31m"}, "reason"),
        ({"reason": "x" * 201}, "reason"),
        ({"requested_by": None}, "requested_by"),
        ({"symbol": "005930"}, "symbol"),
    ],
)
def test_a_cancel_of_no_use_is_refused_by_its_field(changes, field):
    raw = {"signal_id": "sig-1", "account_id": "paper", **changes}

    assert refusal_of(parse_cancel, raw).field == field


def test_something_without_fields_is_no_cancel():
    assert refusal_of(parse_cancel, "sig-1").field == "cancel"
