"""Events come back from their text exactly as they were, and equal events have equal texts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import StoreError
from domain.events import EVENTS
from infra.store import codec
from infra.store.codec import CODEC, Codec, utc_text, utc_time
from tests.unit.domain.orders import EVENTS as ORDER_EVENTS
from tests.unit.domain.orders import NOW, filled


class Colour(StrEnum):
    """A closed list."""

    RED = "RED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A value inside another."""

    px: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """Every kind of field an event may have."""

    text: str
    px: Decimal
    day: date
    at: datetime
    colour: Colour
    number: int
    is_so: bool
    seconds: float
    part: Part
    maybe: Part | None = None
    parts: tuple[Part, ...] = ()
    names: frozenset[str] = frozenset()
    by_name: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """An event that got a field later."""

    old: str
    new: str = "default"


def everything(**changes):
    values = {
        "text": 'line\n"quoted" 삼성전자',
        "px": Decimal("1E+3"),
        "day": date(2026, 3, 2),
        "at": datetime(2026, 3, 2, 0, 30, 0, 7, tzinfo=UTC),
        "colour": Colour.RED,
        "number": -1,
        "is_so": True,
        "seconds": 0.1,
        "part": Part(px=Decimal("0.10"), at=NOW),
    }
    return Everything(**(values | changes))


def test_every_kind_of_field_comes_back_exactly():
    texts = Codec([Everything])
    event = everything(
        maybe=Part(px=Decimal("0E-7"), at=NOW),
        parts=(Part(px=Decimal("-1.50"), at=NOW),),
        names=frozenset({"b", "a"}),
        by_name={"b": Decimal(1), "a": Decimal("2.0")},
    )

    back = texts.decode(*texts.encode(event))

    assert back == event
    assert repr(back.px) + repr(back.parts[0].px) == "Decimal('1E+3')Decimal('-1.50')"
    assert back.at.tzinfo is UTC


@pytest.mark.parametrize("name", ORDER_EVENTS)
def test_every_order_event_comes_back_exactly(name):
    event = ORDER_EVENTS[name]

    assert CODEC.decode(*CODEC.encode(event)) == event


def test_every_event_of_the_domain_is_known():
    assert all(event.__name__ in CODEC._decoders for event in EVENTS)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_decimal_comes_back_digit_for_digit(px):
    texts = Codec([Part])

    back = texts.decode(*texts.encode(Part(px=px, at=NOW)))

    assert back.px.as_tuple() == px.as_tuple()


def test_equal_events_have_equal_texts():
    texts = Codec([Everything])
    one = everything(names=frozenset("abcdefgh"), by_name={"x": Decimal(1), "y": Decimal(2)})
    two = everything(names=frozenset("hgfedcba"), by_name={"y": Decimal(2), "x": Decimal(1)})

    assert texts.encode(one) == texts.encode(two)


def test_a_field_added_later_reads_as_its_default():
    assert Codec([Grown]).decode("Grown", '{"old":"x"}') == Grown(old="x")


def test_a_retired_kind_becomes_an_event_of_today(monkeypatch):
    monkeypatch.setattr(codec, "UPCASTS", {"Small": lambda raw: Grown(old=raw["o"], new="up")})

    assert Codec([Grown]).decode("Small", '{"o":"x"}') == Grown(old="x", new="up")


def test_a_time_without_a_zone_is_refused_wherever_it_stands():
    texts = Codec([Everything])
    naive = NOW.replace(tzinfo=None)

    for event in (everything(at=naive), everything(part=Part(px=Decimal(1), at=naive))):
        with pytest.raises(ValueError, match="zone"):
            texts.encode(event)


def test_what_is_no_event_is_refused():
    with pytest.raises(TypeError, match="Everything is not an event"):
        CODEC.encode(everything())


def test_a_fill_of_a_journal_from_before_corrections_reads_as_one_of_its_own():
    kind, text = CODEC.encode(filled())
    assert text.count(',"exec_ref_id":null') == 1

    assert CODEC.decode(kind, text.replace(',"exec_ref_id":null', "")) == filled()


def test_two_events_of_one_name_are_refused():
    with pytest.raises(AssertionError, match="Part"):
        Codec([Part, Part])


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("Later", "{}", "upgrade Oncefill"),
        ("Filled", "{}", "cannot be read"),
        ("Filled", "not json", "cannot be read"),
        ("Filled", '{"a":' * 100_000, "cannot be read"),
        ("Filled", CODEC.encode(filled())[1].replace('"70000"', '"much"'), "cannot be read"),
    ],
)
def test_a_row_that_cannot_be_read_says_so(kind, text, says):
    with pytest.raises(StoreError, match=says):
        CODEC.decode(kind, text)


def test_times_in_columns_are_utc_of_one_width_so_that_text_sorts():
    seoul = datetime(2026, 3, 2, 9, 30, tzinfo=timezone(timedelta(hours=9)))

    assert utc_text(seoul) == "2026-03-02T00:30:00.000000Z"
    assert utc_time(utc_text(seoul)) == seoul
    assert utc_text(NOW + timedelta(microseconds=1)) > utc_text(NOW)
