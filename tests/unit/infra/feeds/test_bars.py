"""Bars from CSV files."""

from datetime import datetime
from decimal import Decimal

import pytest

from domain.errors import InvalidInputError
from domain.session import ALWAYS_OPEN, KST, Session
from infra.feeds.bars import Bar, read_bars

KRX = Session()
HEADER = "date,symbol,open,high,low,close,volume"
GOOD = "2024-01-02,005930,100,110,90,105,1000"


def write(folder, *lines, name="prices.csv", encoding="utf-8", end="\n"):
    path = folder / name
    path.write_bytes(end.join([*lines, ""]).encode(encoding))
    return path


def read(folder, *lines, session=KRX, **how):
    return read_bars([write(folder, *lines, **how)], session)


def refused(paths, session=KRX):
    with pytest.raises(InvalidInputError) as error:
        read_bars(paths, session)
    return str(error.value)


def a_bar(**changes):
    facts = {
        "symbol": "005930",
        "at": datetime(2024, 1, 2, 9, tzinfo=KST),
        "is_daily": True,
        "open": Decimal(100),
        "high": Decimal(110),
        "low": Decimal(90),
        "close": Decimal(105),
        "volume": Decimal(1000),
    }
    return Bar(**{**facts, **changes})


def test_a_day_begins_with_its_session(tmp_path):
    assert read(tmp_path, HEADER, GOOD) == (a_bar(),)


@pytest.mark.parametrize(
    "how", [{"encoding": "utf-8-sig"}, {"end": "\r\n"}, {"end": "\n\n"}, {"end": "\r"}]
)
def test_spreadsheets_of_all_kinds_are_read(tmp_path, how):
    assert read(tmp_path, HEADER, GOOD, **how) == (a_bar(),)


def test_columns_may_stand_anywhere_in_any_case_beside_others(tmp_path):
    header = "Close,NAME, Volume ,Low,HIGH,Open,Symbol,Date"

    assert read(tmp_path, header, '105,"Co, Ltd",1000,90,110,100, 005930 ,2024-01-02') == (a_bar(),)


def test_numbers_are_taken_exactly_as_written(tmp_path):
    row = "2024-01-02,X,0.100000000000000001,1.1e2,0.1,105.50,0"

    (bar,) = read(tmp_path, HEADER, row)

    assert bar.open == Decimal("0.100000000000000001")
    assert (bar.high, str(bar.close), bar.volume) == (110, "105.50", 0)


@pytest.mark.parametrize(
    ("name", "text", "at", "is_daily"),
    [
        ("date", "2024-01-02", "2024-01-02T09:00+09:00", True),
        # Midnight is how spreadsheets write a day.
        ("datetime", "2024-01-02 00:00:00", "2024-01-02T09:00+09:00", True),
        ("time", "2024-01-02T00:00:00+09:00", "2024-01-02T09:00+09:00", True),
        ("datetime", "2024-01-02 09:05", "2024-01-02T09:05+09:00", False),
        ("time", "2024-01-02T00:05:00Z", "2024-01-02T09:05+09:00", False),
        ("date", "2024-01-01T20:05:00-04:00", "2024-01-02T09:05+09:00", False),
    ],
)
def test_times_without_a_zone_are_the_exchanges(tmp_path, name, text, at, is_daily):
    (bar,) = read(tmp_path, HEADER.replace("date", name), GOOD.replace("2024-01-02", text))

    assert (bar.at, bar.is_daily) == (datetime.fromisoformat(at), is_daily)


def test_a_date_and_a_time_make_one_moment(tmp_path):
    (bar,) = read(tmp_path, f"{HEADER},time", f"{GOOD},09:05:00")
    (day,) = read(tmp_path, f"{HEADER},time", f"{GOOD},")

    assert (bar.at, bar.is_daily) == (datetime(2024, 1, 2, 9, 5, tzinfo=KST), False)
    assert day.is_daily


def test_a_day_of_a_market_that_never_closes_begins_at_midnight(tmp_path):
    (bar,) = read(tmp_path, HEADER, GOOD, session=ALWAYS_OPEN)

    assert bar.at == datetime(2024, 1, 2, tzinfo=KST)


def test_files_and_symbols_are_merged_by_time(tmp_path):
    first = write(tmp_path, HEADER, GOOD, GOOD.replace("-02", "-04"), name="a.csv")
    other = GOOD.replace("005930", "000660")
    second = write(tmp_path, HEADER, other, GOOD.replace("-02", "-03"), name="b.csv")

    bars = read_bars([second, first], KRX)

    assert [(bar.at.day, bar.symbol) for bar in bars] == [
        (2, "000660"),
        (2, "005930"),
        (3, "005930"),
        (4, "005930"),
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("2024-01-03,005930,100,110,90,105", "6 cells under 7 columns"),
        ("2024-01-03,005930,100,110,90,105,1,000", "8 cells under 7 columns"),
        (",005930,100,110,90,105,1000", "date: give an ISO date"),
        ("03/01/2024,005930,100,110,90,105,1000", "date: give an ISO date"),
        ("2024-02-30,005930,100,110,90,105,1000", "date: give an ISO date"),
        ("0001-01-01,005930,100,110,90,105,1000", "date: give an ISO date"),
        # The digits of 2024 in Arabic script.
        ("\u0662\u0660\u0662\u0664-01-03,X,100,110,90,105,1000", "date: give an ISO date"),
        ("2024-01-03,,100,110,90,105,1000", "symbol: give 1 to 20"),
        ("2024-01-03,삼성전자,100,110,90,105,1000", "symbol: give 1 to 20"),
        ("2024-01-03,005930,abc,110,90,105,1000", "open: give a plain decimal number"),
        ("2024-01-03,005930,100,,90,105,1000", "high: give a plain decimal number"),
        ('2024-01-03,005930,100,110,90,"1,05",1000', "close: give a plain decimal number"),
        ("2024-01-03,005930,NaN,110,90,105,1000", "open: give a plain decimal number"),
        ("2024-01-03,005930,100,Infinity,90,105,1000", "high: give a plain decimal number"),
        ("2024-01-03,005930,100,1e30,90,105,1000", "high: give a number below"),
        ("2024-01-03,005930,0,110,0,105,1000", "open: give a price above zero"),
        ("2024-01-03,005930,100,110,-90,105,1000", "low: give a price above zero"),
        ("2024-01-03,005930,100,110,90,105,-1", "volume is below zero"),
        ("2024-01-03,005930,100,110,90,105,", "volume: give a plain decimal number"),
        ("2024-01-03,005930,100,90,110,105,1000", "high is below low"),
        ("2024-01-03,005930,111,110,90,105,1000", "open is not between low and high"),
        ("2024-01-03,005930,100,110,90,89,1000", "close is not between low and high"),
        ("2024-01-02,005930,100,110,90,105,1000", "a second row of 005930 for that time"),
        ("2024-01-01,005930,100,110,90,105,1000", "earlier than the row of 005930 before it"),
        ("2024-01-03T09:05,005930,100,110,90,105,1000", "days and times are mixed"),
        ('2024-01-03,005930,"100,110,90,105,1000', "not CSV"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path, line, problem):
    path = write(tmp_path, HEADER, GOOD, "", line)

    said = refused([path])

    assert said.startswith(f"{path}:4: "), said
    assert problem in said


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("symbol,open,high,low,close,volume", "no column date;"),
        ("date,symbol,open,high,low,price,volume", "no column close;"),
        ("date,time", "no column symbol, open, high, low, close, volume;"),
        ("date;symbol;open;high;low;close;volume", "no column date, symbol"),
        (f"{HEADER},close", "two columns close;"),
        (f"{HEADER},DATE", "two columns date;"),
    ],
)
def test_a_bad_header_is_named_by_file_and_line(tmp_path, header, problem):
    path = write(tmp_path, header, GOOD)

    said = refused([path])

    assert said.startswith(f"{path}:1: "), said
    assert problem in said


@pytest.mark.parametrize("lines", [(), ("",), (HEADER,), (HEADER, "", " , ")])
def test_a_file_without_prices_is_refused(tmp_path, lines):
    path = write(tmp_path, *lines)

    assert refused([path]) == f"{path}: there is no row of prices in it; check the file"


@pytest.mark.parametrize("encoding", ["utf-16", "cp949"])
def test_a_file_in_another_encoding_is_refused(tmp_path, encoding):
    path = write(tmp_path, f"{HEADER},name", f"{GOOD},삼성전자", encoding=encoding)

    said = refused([path])

    line = 1 if encoding == "utf-16" else 2
    assert said == f"{path}:{line}: not UTF-8; save the file as CSV UTF-8"


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    assert refused([tmp_path / "none.csv"]).startswith(f"{tmp_path}/none.csv: cannot be read (No")
    assert refused([tmp_path]).startswith(f"{tmp_path}: cannot be read (Is a directory)")


def test_a_row_that_another_file_has_as_well_names_both(tmp_path):
    first = write(tmp_path, HEADER, GOOD, name="a.csv")
    second = write(tmp_path, HEADER, GOOD.replace("-02", "-01"), GOOD, name="b.csv")

    said = refused([first, second])

    assert said.startswith(f"{second}:3: 005930 has a row for that time in {first}:2 as well")


def test_days_and_times_of_two_files_are_not_mixed(tmp_path):
    first = write(tmp_path, HEADER, GOOD, name="a.csv")
    second = write(tmp_path, HEADER, GOOD.replace("02,", "02T10:00,"), name="b.csv")

    assert refused([first, second]).startswith(f"{second}:2: days and times are mixed")
