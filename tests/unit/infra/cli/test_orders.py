"""``orders``: every order on one line, newest first."""

import re

from rich.cells import cell_len

KEYS = {
    "client_order_id",
    "signal_id",
    "account_id",
    "symbol",
    "name",
    "side",
    "order_type",
    "order_qty",
    "limit_px",
    "time_in_force",
    "strategy_id",
    "status",
    "is_open",
    "broker_order_id",
    "trade_date",
    "cum_qty",
    "avg_px",
    "attempts",
    "reason",
    "created_at",
    "submitted_at",
    "filled_at",
    "claim",
    "updated_seq",
}
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def line_of(lines, signal_id):
    return next(line for line in lines if f" {signal_id} " in line)


def test_json_holds_every_fact_with_exact_text_for_numbers(answer):
    shown = answer("orders")

    by_signal = {order["signal_id"]: order for order in shown["orders"]}
    bought, part = by_signal["bought"], by_signal["part"]
    assert set(shown) == {"store", "orders", "has_more"}
    assert set(bought) == KEYS
    assert shown["orders"][0]["signal_id"] == "doubt"
    assert (bought["order_qty"], bought["avg_px"], bought["limit_px"]) == ("100", "70000", None)
    assert (bought["name"], bought["status"], bought["is_open"]) == ("삼성전자", "FILLED", False)
    assert bought["created_at"].startswith("2026-03-02T01:00:01.")
    assert bought["created_at"].endswith("Z")
    assert (part["cum_qty"], part["status"], part["limit_px"]) == ("500", "CANCELLED", "50000")
    assert by_signal["retried"]["attempts"] == 3
    assert by_signal["doubt"]["status"] == "IN_DOUBT"


def test_a_line_tells_an_order_in_exchange_time(lines):
    shown = lines("orders")

    part, rejected = line_of(shown, "part"), line_of(shown, "rejected")
    assert shown[0] == "Orders, times in KST"
    assert re.search(r"^[a-z2-7]{20}  2026-03-02 10:00:38  part +035720 카카오 +BUY +LIMIT", part)
    assert re.search(r" 1,000 +50,000 +500 +50,000 +CANCELLED ", part)
    assert rejected.endswith("[40270000]")
    assert all("\x1b" not in line for line in shown)


def test_numbers_end_below_each_other(lines):
    rows = lines("orders")[1:]

    ends = {
        cell_len(row[: row.index(text) + len(text)])
        for row, text in (
            (rows[0], "filled"),
            (line_of(rows, "part"), " 500"),
            (line_of(rows, "bought").replace("  100  market", "  xxx  market"), " 100"),
        )
    }
    assert len(ends) == 1


def test_orders_are_chosen_by_status_symbol_and_number(answer, lines):
    assert [o["signal_id"] for o in answer("orders", "--status", "rejected")["orders"]] == [
        "rejected"
    ]
    assert [o["signal_id"] for o in answer("orders", "--symbol", "000660")["orders"]] == ["retried"]
    newest = answer("orders", "--limit", "2")
    assert (len(newest["orders"]), newest["has_more"]) == (2, True)
    assert lines("orders", "--limit", "1")[-1] == "These are the newest 1; --limit N shows more."


def test_no_orders_are_said_in_words(lines, answer):
    assert lines("orders", "--symbol", "999999") == ["No orders of 999999."]
    assert lines("orders", "--status", "EXPIRED") == ["No orders with status EXPIRED."]
    assert answer("orders", "--symbol", "999999")["orders"] == []


def test_a_terminal_gets_colours_and_no_line_is_too_wide(terminal, lines):
    terminal(120)

    shown = lines("orders")

    plain = [ANSI.sub("", line) for line in shown]
    assert any("\x1b[" in line for line in shown)
    assert plain[0] == "Orders of 2026-03-02, times in KST"
    assert max(map(cell_len, plain)) <= 120
    assert "1,000  50,000     500   50,000  CANCELLED" in line_of(plain, "part")


def test_a_narrow_terminal_loses_columns_and_says_so_and_no_number_is_cut(terminal, lines):
    terminal(80)

    plain = [ANSI.sub("", line) for line in lines("orders")]

    assert "Left out for lack of width: created, signal, type, reason." in " ".join(plain)
    assert "1,000  50,000     500   50,000" in next(line for line in plain if "카카오" in line)


def test_a_symbol_that_is_none_is_one_line(perform, stories):
    for symbol in ("\udcff", "", "005930 "):
        code, out, err = perform("orders", "--symbol", symbol, "--store", stories)

        assert (code, out) == (2, "")
        assert err.startswith("oncefill: symbol: give 1 to 20 of letters")
        assert err.count("\n") == 1
