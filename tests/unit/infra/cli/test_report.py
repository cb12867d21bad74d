"""``report``: one trade date as text, as JSON, and as a page that stands alone."""

import json
import re
import sqlite3
from contextlib import closing
from datetime import date, timedelta
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from domain.events import Rejected
from domain.halt import HaltKind, HaltScope
from infra.cli.report_curve import curve
from infra.cli.report_sums import Point
from infra.store.day import hours, read_day
from infra.store.reading import open_reader
from tests.fakes_time import ManualClock
from tests.unit.domain.orders import NOW, a_signal, doubted, flagged, started
from tests.unit.infra.store.halting import halt, resume
from tests.unit.infra.store.stores import a_filled_order, a_store, book_fills, commit, steps

DAY = "2026-03-02"
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"


class Page(HTMLParser):
    """Every tag with its attributes, and all text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.said = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.said += data


@pytest.fixture
def page(perform, tmp_path):
    def write(store):
        file = tmp_path / "page" / "day.html"
        file.parent.mkdir(exist_ok=True)
        code, _, err = perform("report", "--day", DAY, "--html", file, "--store", store)
        assert (code, err) == (0, "")
        return Page(file.read_text())

    return write


@pytest.fixture(params=["sqlite", "postgres"])
def evil(request, tmp_path):
    """A store with a text that is markup, one of every problem, and halts."""
    url = request.getfixturevalue("postgres").url() if request.param == "postgres" else None
    with closing(a_store(tmp_path, ManualClock(NOW), url=url)) as store:
        journal = store.journal()
        refused = Rejected(reason=EVIL, code="1", at=NOW)
        commit(
            journal,
            *a_filled_order(1, strategy_id="<b>bold</b>"),
            *steps(started(), refused, signal=a_signal(signal_id="refused")),
            *steps(started(), doubted(), flagged(), signal=a_signal(signal_id="doubt")),
        )
        book_fills(journal)
        halt(store)
        halt(store, HaltScope(kind=HaltKind.SYMBOL, name="005930"))
        resume(store)
        yield url or store.path


def test_the_sums_are_those_of_the_days(answer):
    report, days = answer("report", "--day", DAY), answer("pnl", "--day", DAY)

    total = report["total"]
    for name, value in days["total"].items():
        assert total[name] == value
    for groups in (report["by_symbol"], report["by_strategy"]):
        for name in ("realized_gross", "fees", "taxes", "net"):
            assert sum(Decimal(group[name]) for group in groups) == Decimal(total[name])
    assert [group["name"] for group in report["by_strategy"]] == ["test"]
    assert report["curve"][-1]["net"] == total["net"]
    assert total["fills"] == len(report["fills"]) == len(report["curve"])
    assert report["fills_not_counted"] == 0


def test_every_order_of_the_day_counts_once(answer):
    report, orders = answer("report", "--day", DAY), answer("orders")["orders"]

    counted = dict.fromkeys(report["orders"], 0)
    for order in orders:
        counted[order["status"]] += 1
    assert counted == report["orders"]
    problems = [line["what"] for line in report["problems"]]
    assert {"REJECTED", "IN_DOUBT", "signal.refused"} <= set(problems)
    assert answer("report", "--day", "2026-03-03")["orders"] == {}


def test_a_day_is_told_in_words(lines):
    shown = lines("report", "--day", DAY)

    assert shown[0].startswith("2026-03-02, account paper, as of journal row ")
    assert re.fullmatch(r"Orders: .*1 IN_DOUBT.*, 4 FILLED, .*1 REJECTED\.", shown[2])
    assert any(re.match(r"005930 삼성전자 +2 +\+200,000 ", line) for line in shown)
    assert any(line.startswith("test ") for line in shown)
    assert any(" REJECTED " in line and "rejected, BUY 005930" in line for line in shown)
    assert "Halts: none on 2026-03-02." in shown


def test_a_day_without_anything_is_said(lines):
    assert lines("report", "--day", "2020-01-01")[2:] == [
        "Orders: none on 2020-01-01.",
        "Nothing was filled.",
        "",
        "Problems: none on 2020-01-01.",
        "",
        "Halts: none on 2020-01-01.",
    ]


def test_fills_without_a_result_yet_are_said(perform, tmp_path):
    with closing(a_store(tmp_path)) as store:
        commit(store.journal(), *a_filled_order(1))

    _, out, _ = perform("report", "--day", DAY, "--store", store.path)

    assert "2 fills booked but not counted above yet" in out


def test_every_text_stands_in_the_page_as_text(page, evil):
    found = page(evil)

    assert EVIL in found.said
    assert "<b>bold</b>" in found.said
    assert {tag for tag, _ in found.tags}.isdisjoint({"script", "img", "b", "a", "link", "iframe"})


def test_the_page_needs_nothing_from_elsewhere(page, stories):
    found = page(stories)

    names = {name for _, attributes in found.tags for name in attributes}
    policy = next(a["content"] for tag, a in found.tags if tag == "meta" and "content" in a)
    assert names.isdisjoint({"src", "href", "style", "onload", "action", "xlink:href"})
    assert "url(" not in found.said
    assert "@import" not in found.said
    assert policy.startswith("default-src 'none'")
    assert [tag for tag, _ in found.tags].count("svg") == 1
    assert "P&L over the day" in found.said


def test_problems_and_halts_are_in_the_page(page, evil):
    said = page(evil).said

    for word in ("IN_DOUBT", "REJECTED", "order.flagged", "halted", "resumed", "symbol:005930"):
        assert word in said


def test_what_was_halted_before_the_day_is_told(evil):
    with open_reader(evil) as reader:
        today, tomorrow = (read_day(reader, date(2026, 3, number)) for number in (2, 3))

    assert [type(event).__name__ for event in today.halts] == ["Halted", "Halted", "Resumed"]
    assert today.halted == ()
    assert [str(halt.scope) for halt in tomorrow.halted] == ["symbol:005930"]
    assert tomorrow.halts == ()


def test_a_day_of_no_exchange_is_refused(perform, stories):
    for day in ("0001-01-01", "9999-12-31"):
        code, _, err = perform("report", "--day", day, "--store", stories)

        assert (code, err) == (2, "oncefill: --day: give a day from 1970 to 9998\n")


def test_a_page_never_takes_the_place_of_the_store(perform, own_stories):
    code, _, err = perform(
        "report", "--day", DAY, "--html", own_stories, "--store", own_stories, "--json"
    )

    assert (code, "belongs to the store" in err) == (2, True)
    with closing(sqlite3.connect(own_stories)) as raw:
        assert raw.execute("SELECT count(*) FROM journal").fetchone()[0] > 0


def test_json_and_a_page_come_together(perform, stories, tmp_path):
    file = tmp_path / "day.html"

    _, out, _ = perform("report", "--day", DAY, "--html", file, "--store", stories, "--json")

    assert json.loads(out)["day"] == DAY
    assert file.read_text().endswith("</html>\n")


def points(*nets, seconds=60):
    opens = hours(date(2026, 3, 2))[0] + timedelta(hours=9)
    return [
        Point(at=opens + number * timedelta(seconds=seconds), net=Decimal(net))
        for number, net in enumerate(nets)
    ]


def test_the_curve_keeps_extremes_of_many_executions_and_stays_small():
    nets = [0] * 50_000
    nets[20_000], nets[20_001] = 700, -300

    drawn = curve(points(*nets, seconds=0.4))

    assert len(drawn) < 60_000
    assert "V12.0" in drawn  # The highest touches the top,
    assert "V252.0" in drawn  # the lowest the bottom.


def test_a_curve_of_nothing_and_one_outside_of_the_hours_are_drawn():
    late = [Point(at=point.at + timedelta(hours=30), net=point.net) for point in points(5, 9)]

    assert "nan" not in curve(points(0)) + curve(late)
    assert "+9" in curve(late)


def test_levels_of_a_curve_never_stand_in_each_other():
    assert curve(points(100_000, -5)).count("<text") == curve(points(100_000, 1)).count("<text")
    assert ">-50,000<" in curve(points(100_000, -50_000))
