"""Hours, business days and settlement."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInputError
from domain.session import ALWAYS_OPEN, KST, Session

KRX = Session()
CHUSEOK = date(2023, 9, 29)
MOMENTS = st.datetimes(
    min_value=datetime.fromisoformat("2018-01-01"),
    max_value=datetime.fromisoformat("2030-01-01"),
    timezones=st.just(UTC),
)


def kst(text):
    return datetime.fromisoformat(text).replace(tzinfo=KST)


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        ("2024-01-03T08:59:59", False),
        ("2024-01-03T09:00:00", True),
        ("2024-01-03T15:29:59", True),
        ("2024-01-03T15:30:00", False),
        ("2024-01-06T10:00:00", False),  # Saturday.
        ("2024-01-07T10:00:00", False),  # Sunday.
        ("2024-01-01T10:00:00", False),
        ("2024-12-31T10:00:00", False),
        ("2023-12-29T10:00:00", False),  # 31 December is a Sunday: the Friday before is closed.
        ("2023-09-29T10:00:00", False),
    ],
)
def test_it_is_open_from_nine_to_half_past_three_on_business_days(at, is_open):
    session = Session(holidays=frozenset({CHUSEOK}))

    assert session.is_open(kst(at)) is is_open
    assert session.is_open(kst(at).astimezone(UTC)) is is_open


@pytest.mark.parametrize(
    ("year", "closed"),
    [(2018, 31), (2019, 31), (2020, 31), (2021, 31), (2022, 30), (2023, 29), (2024, 31)],
)
def test_the_last_weekday_of_the_year_is_closed(year, closed):
    assert not KRX.is_business_day(date(year, 12, closed))
    before = date(year, 12, closed - 1)
    assert KRX.is_business_day(before) is (before.weekday() < 5)


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        ("2024-01-03T08:00:00", "2024-01-03T09:00:00"),
        ("2024-01-03T09:00:00", "2024-01-03T09:00:00"),
        ("2024-01-03T10:00:00", "2024-01-03T10:00:00"),
        ("2024-01-03T15:30:00", "2024-01-04T09:00:00"),
        ("2024-01-05T16:00:00", "2024-01-08T09:00:00"),
        ("2023-12-28T23:00:00", "2024-01-02T09:00:00"),
    ],
)
def test_the_next_opening_skips_closed_days(at, opens):
    moment = KRX.next_open(kst(at))

    assert moment == kst(opens)
    assert moment.tzinfo is UTC


@given(at=MOMENTS)
def test_the_next_opening_is_open_and_not_in_the_past(at):
    opens = KRX.next_open(at)

    assert opens >= at
    assert KRX.is_open(opens)
    assert KRX.next_open(opens) == opens
    if opens > at:
        assert not KRX.is_open(opens - timedelta(microseconds=1))


def test_the_trade_date_is_the_day_in_seoul():
    assert KRX.trade_date(datetime(2024, 1, 2, 23, 0, tzinfo=UTC)) == date(2024, 1, 3)


def test_it_closes_in_utc():
    assert KRX.close_of(date(2024, 1, 3)) == datetime(2024, 1, 3, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("traded", "settles"),
    [
        ("2024-01-03", "2024-01-05"),
        ("2024-01-04", "2024-01-08"),
        ("2022-12-27", "2022-12-29"),
        ("2022-12-28", "2023-01-02"),
        ("2024-12-26", "2024-12-30"),
        ("2024-12-27", "2025-01-02"),
        ("2025-12-29", "2026-01-02"),
    ],
)
def test_a_trade_settles_two_business_days_later(traded, settles):
    assert KRX.settlement_date(date.fromisoformat(traded)) == date.fromisoformat(settles)


def test_holidays_delay_settlement():
    session = Session(holidays=frozenset({CHUSEOK}))

    assert session.settlement_date(date(2023, 9, 27)) == date(2023, 10, 2)
    assert session.settlement_date(date(2023, 9, 27), days=1) == date(2023, 9, 28)


def test_always_open_is_open_on_new_year_and_ends_its_days_at_midnight():
    new_year = kst("2024-01-01T03:00:00")

    assert ALWAYS_OPEN.is_open(new_year)
    assert ALWAYS_OPEN.next_open(new_year) == new_year
    assert ALWAYS_OPEN.is_business_day(date(2024, 1, 1))
    assert ALWAYS_OPEN.close_of(date(2024, 1, 1)) == kst("2024-01-02T00:00:00")
    assert ALWAYS_OPEN.settlement_date(date(2023, 12, 30)) == date(2024, 1, 1)


def test_a_naive_time_is_a_bug():
    with pytest.raises(AssertionError, match="aware"):
        KRX.trade_date(datetime.fromisoformat("2024-01-02T09:00"))


def test_a_session_that_closes_before_it_opens_is_refused():
    with pytest.raises(InvalidInputError, match="closes"):
        Session(opens=time(15, 30), closes=time(9, 0))
