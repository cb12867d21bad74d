"""What a halt is about, and which halts are in force."""

from dataclasses import replace

import pytest

from domain.errors import InvalidInputError
from domain.halt import ACCOUNT, Halted, Resumed, halts_after, parse_reason, parse_scope
from tests.unit.domain.orders import NOW

SAMSUNG = parse_scope("symbol:005930")
CROSSOVER = parse_scope("strategy:crossover")


def halted(scope=ACCOUNT, reason="a test", by="kim", at=NOW):
    return Halted(scope=scope, reason=reason, requested_by=by, at=at)


def resumed(scope=ACCOUNT):
    return Resumed(scope=scope, reason="looked", requested_by="kim", at=NOW)


@pytest.mark.parametrize("text", ["account", "symbol:005930", "strategy:a:b", "symbol:BRK/B"])
def test_a_scope_is_written_as_it_was_read(text):
    assert str(parse_scope(text)) == text


@pytest.mark.parametrize(
    "value",
    ["", "account:", "account:x", "symbol", "symbol:", "symbol:a b", "strategy:", "strategy: x",
     "Symbol:005930", "venue:KRX", "strategy:\x00", "symbol:" + "1" * 21, None, 5, ["account"]],
)  # fmt: skip
def test_what_is_no_scope_is_refused_and_the_field_named(value):
    with pytest.raises(InvalidInputError) as refused:
        parse_scope(value)

    assert refused.value.field == "scope"


@pytest.mark.parametrize("value", ["", "   ", "x" * 201, "two\nlines", None, 1])
def test_a_halt_needs_a_reason(value):
    with pytest.raises(InvalidInputError, match="say why"):
        parse_reason(value)


def test_a_reason_is_kept_without_the_blanks_around_it():
    assert parse_reason(" strange fills ") == "strange fills"


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        (ACCOUNT, {("005930", "crossover"), ("005930", ""), ("000660", "crossover")}),
        (SAMSUNG, {("005930", "crossover"), ("005930", "")}),
        (CROSSOVER, {("005930", "crossover"), ("000660", "crossover")}),
    ],
)
def test_a_scope_covers_its_own_orders_only(scope, covered):
    orders = [("005930", "crossover"), ("005930", ""), ("000660", "crossover")]

    assert {order for order in orders if scope.covers(*order)} == covered


def test_halts_stand_until_each_is_lifted():
    halts = halts_after({}, (halted(), halted(SAMSUNG), halted(CROSSOVER), resumed(SAMSUNG)))

    assert list(halts) == [ACCOUNT, CROSSOVER]
    assert halts_after(halts, (resumed(), resumed(CROSSOVER), resumed(SAMSUNG))) == {}


def test_a_halt_told_again_keeps_its_beginning():
    first = halted(reason="first")

    assert halts_after({}, (first, halted(reason="again"))) == {ACCOUNT: first}


def test_a_halt_says_what_since_when_by_whom_and_why():
    text = halted(SAMSUNG, reason="strange fills.").text

    assert text.startswith("symbol:005930 is halted since 2")
    assert text.endswith("by kim: strange fills")
    assert " by " not in replace(halted(), requested_by="").text
