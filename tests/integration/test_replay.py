"""What a replay comes to: the engine itself on virtual time, with trades worked out by hand."""

import json

import pytest

from domain.instrument import Instruments, round_to_tick
from domain.session import KST, Session
from domain.terms import OrderStatus, Side
from infra.feeds.bars import read_bars
from infra.store.reading import open_reader
from tests.integration.replays import KODEX, KRX_DAILY, QUICK, SAMSUNG, run, thin, write

pytestmark = pytest.mark.slow  # Each makes two stores, and commits to them.


@pytest.fixture
def replayed(tmp_path, capsys):
    """Return a function that replays rows and returns the JSON result."""

    def replayed(*rows, cash=10_000_000, how=QUICK):
        path = write(tmp_path, *rows)
        assert run(path, "--json", "--store", tmp_path / "run", "--cash", cash, *how) == 0
        return json.loads(capsys.readouterr().out)

    return replayed


def money(**amounts):
    return {name: str(value) for name, value in amounts.items()}


def day(on, gross, fees, taxes, net):
    return {"day": on, **money(realized_gross=gross, fees=fees, taxes=taxes, net=net)}


def trade(symbol, entry, exit_, qty, px):
    facts = {"symbol": symbol, "entry": entry, "exit": exit_}
    return {**facts, **money(qty=qty, entry_px=px[0], exit_px=px[1])}


def test_shares_pay_the_tick_the_commission_and_the_tax_of_the_day_of_settlement(replayed):
    result = replayed(*SAMSUNG)

    # 153 = 10,000,000 / (50,100 x 1.3, and its commission), rounded down.
    # Bought at 50,110, so at 50,200; sold at 50,090, so at 50,000.
    # 7,680,600 x 0.000140527 = 1079.3; 7,650,000 x 0.000140527 = 1075.0, x 0.0030 = 22,950.
    first = trade("005930", "2019-05-27", "2019-05-28", 153, (50200, 50000))
    first |= money(gross=-30600, fees=2154, taxes=22950, net=-55704)
    # 152 = 9,944,296 / (50,200 x 1.3, and its commission); bought at 50,200, sold at 50,100.
    # 7,630,400 x 0.000140527 = 1072.3; 7,615,200 x 0.000140527 = 1070.1, x 0.0025 = 19,038.
    second = trade("005930", "2019-05-29", "2019-05-30", 152, (50200, 50100))
    second |= money(gross=-15200, fees=2142, taxes=19038, net=-36380)
    assert result["trades"] == [first, second]
    assert result["daily"] == [
        day("2019-05-27", 0, 1079, 0, -1079),
        day("2019-05-28", -30600, 1075, 22950, -54625),
        day("2019-05-29", 0, 1072, 0, -1072),
        day("2019-05-30", -15200, 1070, 19038, -35308),
    ]
    assert result["cash"] == {"opening": "10000000", "closing": "9907916"}
    realized = money(realized_gross=-45800, fees=4296, taxes=41988, realized_net=-92084)
    assert result["pnl"] == {**realized, **money(unrealized=0, total=-92084)}
    assert result["orders"] == {"total": 4, "by_status": {"FILLED": 4}}
    assert result["positions"] == []
    assert (result["bars"], result["symbols"]) == (6, ["005930"])
    assert result["period"] == {"first": "2019-05-23", "last": "2019-05-30"}
    assert all(check["ok"] for check in result["checks"])


def test_an_etf_pays_no_tax_and_its_own_commission(replayed):
    (only,) = replayed(*KODEX, cash=1_000_000)["trades"]

    # 27 = 1,000,000 / (28,100 x 1.3, and its commission); the tick of an ETF is 5.
    # 758,835 x 0.000146527 = 111.2; 755,865 x 0.000146527 = 110.8.
    costs = money(gross=-2970, fees=221, taxes=0, net=-3191)
    assert only == {**trade("069500", "2019-05-27", "2019-05-28", 27, (28105, 27995)), **costs}


def test_symbols_share_the_cash_and_a_symbol_left_alone_gets_the_rest(replayed):
    result = replayed(*SAMSUNG, *KODEX, cash=1_000_000)

    # On 05-24 both want to buy, each for 500,000; on 05-28 Samsung alone, with half of the rest.
    assert [(each["symbol"], each["qty"]) for each in result["trades"]] == [
        ("005930", "7"),
        ("069500", "13"),
        ("005930", "7"),
    ]
    assert result["orders"]["by_status"] == {"FILLED": 6}


def test_what_is_held_at_the_end_is_shown_at_the_last_close(replayed):
    result = replayed(*SAMSUNG[:3])

    assert result["trades"] == []
    assert result["positions"] == [
        {
            "symbol": "005930",
            "qty": "153",
            "avg_px": "50200",
            "cost": "7680600",
            "last_px": "50050",
            "unrealized": "-22950",
        }
    ]
    assert result["pnl"]["total"] == str(-22950 - 1079)


def test_a_large_order_is_filled_in_parts_over_the_day(replayed, tmp_path):
    (held,) = replayed(*thin(2_000))["positions"]

    # A tenth of a quarter of 2,000 at each quote: 50 at 50,200, 50,300, 50,100, and 3 at 50,300
    # (50,250 rounded up).
    assert held["qty"] == "153"
    assert held["cost"] == str(50 * (50_200 + 50_300 + 50_100) + 3 * 50_300)
    with open_reader(tmp_path / "run" / "oncefill.db") as reader:
        fills = [(fill.last_qty, fill.transact_time.astimezone(KST)) for fill in reader.fills()]
    assert [qty for qty, _ in fills] == [50, 50, 50, 3]
    assert [f"{at:%H:%M}" for _, at in fills] == ["09:00", "11:00", "13:00", "15:20"]


def test_what_is_not_filled_by_the_close_expires_and_the_rest_is_held(replayed, tmp_path):
    result = replayed(*thin(1_000), "2019-05-28,005930,50300,50300,50300,50300,1000000")

    # Still long on the next day: what was filled is the position, and it is not topped up.
    assert result["orders"] == {"total": 1, "by_status": {"EXPIRED": 1}}
    assert [held["qty"] for held in result["positions"]] == ["100"]
    with open_reader(tmp_path / "run" / "oncefill.db") as reader:
        (order,) = reader.orders()
    assert order.signal_id == "crossover:005930:2019-05-24:BUY"
    assert (order.status, order.cum_qty) == (OrderStatus.EXPIRED, 100)


def test_a_position_that_could_not_be_sold_is_sold_on_the_next_day(replayed):
    rows = [*SAMSUNG[:3], "2019-05-28,005930,50000,50000,50000,50000,1000"]
    result = replayed(*rows, "2019-05-29,005930,49900,49900,49900,49900,1000000")

    assert result["orders"]["by_status"] == {"FILLED": 2, "EXPIRED": 1}
    (only,) = result["trades"]
    # 100 at 50,000 and 53 at 49,900: below 50,000 the tick is 50.
    assert (only["exit"], only["exit_px"]) == ("2019-05-29", "49965.3595")


def test_bars_without_volume_and_outside_the_session_are_seen_but_not_traded(replayed):
    saturday = "2019-05-25,005930,50300,50300,50300,50300,1000000"
    suspended = "2019-05-27,005930,50400,50400,50400,50400,0"
    monday = "2019-05-28,005930,50500,50500,50500,50500,1000000"

    result = replayed(*SAMSUNG[:2], saturday, suspended, monday)

    assert result["daily"][0]["day"] == "2019-05-28"
    assert result["positions"][0]["avg_px"] == "50500"
    notes = " ".join(result["notes"])
    assert "1 bar outside the session's days and hours" in notes
    assert "1 bar without volume" in notes


def test_shorter_bars_are_traded_within_the_day(replayed, tmp_path):
    times = ("09:00", "09:10", "09:20", "15:20", "15:30")
    closes = (50_000, 50_100, 50_100, 50_000, 50_000)
    rows = [
        f"2019-05-27T{at},005930,{px},{px},{px},{px},1000"
        for at, px in zip(times, closes, strict=True)
    ]
    following = "2019-05-28T09:00,005930,50000,50000,50000,50000,100000"

    result = replayed(*rows, following)

    with open_reader(tmp_path / "run" / "oncefill.db") as reader:
        orders = reader.orders()
        fills = reader.fills()
    # Bought from 09:20 on: 25 at each quote, until the close of the 15:20 bar. It is sold on the
    # next day only: the bar of 15:30 is outside the session, and orders were working before.
    assert [order.signal_id for order in orders] == [
        "crossover:005930:2019-05-27T09:10:00:BUY",
        "crossover:005930:2019-05-27T15:30:00:SELL",
    ]
    assert f"{fills[0].transact_time.astimezone(KST):%H:%M}" == "09:20"
    assert sum(fill.last_qty for fill in fills if fill.side is Side.BUY) == 153
    assert result["orders"]["by_status"] == {"FILLED": 2}


def test_an_order_larger_than_the_engine_allows_is_cut_and_said(replayed):
    rows = [
        f"2019-05-{day},CHEAP,{px},{px},{px},{px},1000000000"
        for day, px in ((23, 100), (24, 101), (27, 101))
    ]

    result = replayed(*rows, cash=10**12)

    assert [held["qty"] for held in result["positions"]] == ["1000000"]
    notes = " ".join(result["notes"])
    assert "1 buy cut to 1,000,000 shares" in notes


def test_strange_symbols_and_short_histories_are_named(replayed):
    result = replayed(*(row.replace("005930", "AAPL") for row in SAMSUNG), how=())

    notes = " ".join(result["notes"])
    assert "taken for KOSPI shares: AAPL." in notes
    assert "Too few bars to trade (21 needed): AAPL." in notes
    assert result["orders"] == {"total": 0, "by_status": {}}


@pytest.mark.timeout(180)
@pytest.mark.skipif(not KRX_DAILY.is_dir(), reason="the KRX prices are not beside this checkout")
def test_years_of_krx_prices_keep_every_invariant(tmp_path, capsys):
    # A share with days of suspension, and an ETF.
    files = [KRX_DAILY / "035420.csv", KRX_DAILY / "069500.csv"]

    assert run(*files, "--json", "--store", tmp_path / "run") == 0

    result = json.loads(capsys.readouterr().out)
    assert all(check["ok"] for check in result["checks"])
    assert len(result["trades"]) > 50
    bars = {(bar.symbol, bar.at.date()): bar for bar in read_bars(files, Session())}
    with open_reader(tmp_path / "run" / "oncefill.db") as reader:
        fills = reader.fills()
    first = [fill for fill in fills if fill.exec_id == "1"]
    assert len(first) == result["orders"]["by_status"]["FILLED"]
    for fill in first:
        # No look-ahead: what was decided on a close is traded at the next open, on a tick.
        bar = bars[fill.symbol, fill.trade_date]
        instrument = Instruments().get(fill.symbol)
        assert fill.last_px == round_to_tick(instrument, bar.open, fill.trade_date, fill.side)
    sells = [fill for fill in fills if fill.side is Side.SELL]
    assert all((fill.tax == 0) == (fill.symbol == "069500") for fill in sells)
