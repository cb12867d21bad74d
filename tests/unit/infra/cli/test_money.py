"""``positions`` and ``pnl``: what is held, and what it earned."""

import json
from decimal import Decimal

from tests.unit.infra.cli.stories import open_house


def row_of(lines, start):
    return next(line for line in lines if line.startswith(start)).split()


def test_a_closed_position_shows_what_it_earned_gross_and_net(lines, answer):
    row = row_of(lines("positions"), "005930 삼성전자")
    positions = {each["symbol"]: each for each in answer("positions")["positions"]}

    closed = positions["005930"]
    assert row == ["005930", "삼성전자", "0", "-", "+200,000", "1,994", "14,400", "+183,606"]
    assert set(closed) == {
        *("symbol", "name", "qty", "avg_px", "cost"),
        *("realized_gross", "fees", "taxes", "realized_net"),
    }
    assert (closed["realized_gross"], closed["realized_net"]) == ("200000", "183606")
    assert (closed["qty"], closed["avg_px"]) == ("0", None)


def test_an_open_position_shows_its_average(lines):
    row = row_of(lines("positions"), "035720")

    assert row[:4] == ["035720", "카카오", "500", "50,000"]
    assert row[-1].startswith("-")


def test_pnl_is_by_day_with_a_total(lines, answer):
    shown = answer("pnl")

    day, total = shown["days"][0], shown["total"]
    assert (len(shown["days"]), day["day"], shown["fills_not_applied"]) == (1, "2026-03-02", 0)
    assert set(total) == {"realized_gross", "fees", "taxes", "net"}
    assert Decimal(total["net"]) == (
        Decimal(total["realized_gross"]) - Decimal(total["fees"]) - Decimal(total["taxes"])
    )
    rows = lines("pnl")
    assert row_of(rows, "2026-03-02")[1:] == row_of(rows, "total")[1:]
    assert row_of(rows, "total")[1] == "+200,000"


def test_one_day_can_be_asked_for(lines, answer):
    assert lines("pnl", "--day", "2026-03-01") == ["Nothing was filled on 2026-03-01."]
    assert answer("pnl", "--day", "2026-03-01")["total"]["net"] == "0"
    assert answer("pnl", "--day", "2026-03-02")["days"][0]["realized_gross"] == "200000"


def test_an_empty_store_says_so_in_words(perform, tmp_path):
    open_house(tmp_path).engine.stop()

    said = {name: perform(name, "--store", tmp_path)[1] for name in ("orders", "positions", "pnl")}

    assert said == {
        "orders": "No orders yet.\n",
        "positions": "No positions: nothing has been filled yet.\n",
        "pnl": "No P&L: nothing was filled yet.\n",
    }


def test_fills_that_are_not_counted_yet_are_told(perform, stories, monkeypatch):
    for name in ("positions", "pnl"):
        monkeypatch.setattr(f"infra.cli.{name}.fills_not_applied", lambda _: 2)
        told = perform(name, "--store", stories)[1].splitlines()[-1]
        shown = json.loads(perform(name, "--store", stories, "--json")[1])

        assert told == "2 fills booked but not counted above yet; look again in a moment."
        assert shown["fills_not_applied"] == 2
