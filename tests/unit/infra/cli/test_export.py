"""``export``: whole tables for other programs, whole files or none."""

import csv
import io
import json
import shutil
import sqlite3
import stat
import subprocess
import sys
import tracemalloc
from contextlib import closing
from decimal import Decimal

import pytest

from domain.events import Rejected
from infra.cli.main import PIPE_CLOSED
from infra.store.listings import csv_lines, rows
from infra.store.reading import open_reader
from tests.house.files import ROOT
from tests.unit.domain.orders import NOW, a_signal, accepted, filled, started
from tests.unit.infra.store.stores import a_filled_order, a_store, book_fills, commit, steps

EVIL = '=HYPERLINK("http://x","a")\r\n+1'
SUMS = ("realized_gross", "fees", "taxes")


def table(text):
    heading, *found = csv.reader(io.StringIO(text, newline=""))
    return [dict(zip(heading, row, strict=True)) for row in found]


def traded(store):
    """A round trip with a withdrawn execution, and a rejection with an evil reason."""
    journal = store.journal()
    evil = steps(
        started(),
        Rejected(reason=EVIL, code="1", at=NOW),
        signal=a_signal(signal_id="-1", strategy_id="@sum"),
    )
    undone = steps(
        started(),
        accepted("0000000009"),
        filled(5, "1", "0000000009", 70_000),
        filled(-5, "2", "0000000009", 70_000),
        signal=a_signal(signal_id="undone"),
    )
    commit(journal, *a_filled_order(1), *evil, *undone)
    book_fills(journal)


@pytest.fixture(params=["sqlite", "postgres", "sqlite, engine running"])
def named(request, tmp_path):
    url = request.getfixturevalue("postgres").url() if request.param == "postgres" else None
    store = a_store(tmp_path, url=url)
    traded(store)
    if "running" not in request.param:
        store.close()
    yield url or store.path
    store.close()


def test_orders_come_with_every_column_and_no_text_is_a_formula(perform, named):
    code, out, err = perform("export", "orders", "--store", named)

    assert (code, err) == (0, "")
    by_signal = {row["signal_id"]: row for row in table(out)}
    assert set(by_signal) == {"s-1", "'-1", "undone"}
    assert by_signal["'-1"]["reason"].startswith("'=HYPERLINK")
    assert by_signal["'-1"]["strategy_id"] == "'@sum"
    bought = by_signal["s-1"]
    assert (bought["order_qty"], bought["avg_px"], bought["limit_px"]) == ("100", "70000", "")
    assert (bought["is_open"], bought["symbol"]) == ("false", "005930")
    assert bought["created_at"] == "2026-03-02T00:30:00.000000Z"
    assert bought["trade_date"] == "2026-03-02"


def test_a_withdrawn_quantity_stays_a_number(perform, named):
    _, out, _ = perform("export", "fills", "--store", named)

    assert [row["last_qty"] for row in table(out)] == ["40", "60", "5", "-5"]


def test_lines_of_json_hold_the_text_as_it_is(perform, named):
    code, out, _ = perform("export", "orders", "--format", "jsonl", "--store", named)

    by_signal = {row["signal_id"]: row for row in map(json.loads, out.splitlines())}
    assert code == 0
    assert by_signal["-1"]["reason"] == EVIL
    assert by_signal["s-1"]["order_qty"] == "100"
    assert by_signal["s-1"]["is_open"] is False
    assert by_signal["s-1"]["limit_px"] is None


def test_days_add_up(perform, stories):
    _, out, err = perform("export", "pnl", "--store", stories)

    (day,) = table(out)
    gross, fees, taxes = (Decimal(day[name]) for name in SUMS)
    assert (day["day"], gross) == ("2026-03-02", 200_000)
    assert Decimal(day["net"]) == gross - fees - taxes
    assert "net" in out.splitlines()[0]
    assert err == ""


def test_fills_that_are_missing_from_the_days_are_said(perform, own_stories):
    with closing(sqlite3.connect(own_stories)) as raw, raw:
        raw.execute("DELETE FROM checkpoints")

    code, _, err = perform("export", "pnl", "--store", own_stories)

    assert code == 0
    assert "booked but not counted in pnl yet" in err


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        (" =1+1", "' =1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("\uff1d1", "'\uff1d1"),
        ("a=1", "a=1"),
        ('say "no", twice', 'say "no", twice'),
        ("", ""),
        (None, ""),
        (Decimal("-5.50"), "-5.5"),
        (Decimal("1E+3"), "1000"),
        (Decimal("12345678901234567.123456789"), "12345678901234567.123456789"),
        (-3, "-3"),
        (True, "true"),
    ],
)
def test_a_cell_reads_back_as_it_should(value, cell):
    heading, line = csv_lines(("it", "beside"), iter([(value, 1)]))

    assert heading == "it,beside\r\n"
    assert next(csv.reader(io.StringIO(line, newline=""))) == [cell, "1"]


def test_a_file_is_private_and_replaced_as_a_whole(perform, stories, tmp_path):
    out = tmp_path / "orders.csv"
    out.write_text("old")

    code, said, _ = perform("export", "orders", "--out", out, "--store", stories)

    assert code == 0
    assert said == f"Wrote 8 rows of orders to {out}.\n"
    assert len(table(out.read_text())) == 8
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [out]


def test_what_was_written_is_said_as_json(perform, stories, tmp_path):
    out = tmp_path / "fills.jsonl"

    code, said, _ = perform(
        "export", "fills", "--format", "jsonl", "--out", out, "--json", "--store", stories
    )

    facts = json.loads(said)
    assert code == 0
    assert facts["rows"] == len(out.read_text().splitlines()) > 0


def test_an_export_that_breaks_leaves_the_old_file(perform, own_stories, tmp_path):
    out = tmp_path / "orders.csv"
    out.write_text("old")
    with closing(sqlite3.connect(own_stories)) as raw, raw:
        raw.execute("UPDATE orders SET order_qty = 'x' WHERE signal_id = 'resting'")

    code, _, err = perform("export", "orders", "--out", out, "--store", own_stories)

    assert code == 1
    assert "never written" in err
    assert out.read_text() == "old"
    assert not list(tmp_path.glob(".oncefill*"))


@pytest.mark.parametrize("ending", ["", "-wal", ".lock"])
def test_a_file_of_the_store_is_never_the_target(perform, own_stories, ending):
    before = own_stories.read_bytes()

    code, _, err = perform(
        "export", "orders", "--out", f"{own_stories}{ending}", "--store", own_stories
    )

    assert (code, own_stories.read_bytes()) == (2, before)
    assert "belongs to the store" in err


def test_what_is_no_file_is_refused(perform, stories, tmp_path):
    for out in (tmp_path, "/dev/null"):
        code, _, err = perform("export", "orders", "--out", out, "--store", stories)

        assert (code, err) == (2, f"oncefill: --out: {out} is no file; name one\n")


def test_a_folder_that_is_not_there_is_one_line(perform, stories, tmp_path):
    out = tmp_path / "none" / "orders.csv"

    code, _, err = perform("export", "orders", "--out", out, "--store", stories)

    assert (code, err.count("\n")) == (1, 1)
    assert "No such file or directory. Name another" in err


def test_json_without_a_file_is_wrong_use(perform, stories):
    code, _, err = perform("export", "orders", "--json", "--store", stories)

    assert code == 2
    assert "give --format jsonl" in err


def test_a_terminal_is_not_steered(perform, terminal, tmp_path):
    terminal(80)
    with closing(a_store(tmp_path)) as store:
        commit(
            store.journal(),
            *steps(started(), Rejected(reason="a\x1b[2Jb", code="1", at=NOW)),
        )

    _, out, _ = perform("export", "orders", "--store", store.path)

    assert "\x1b" not in out


@pytest.mark.slow
def test_memory_does_not_grow_with_the_store(tmp_path):
    def peak(count):
        path = tmp_path / f"{count}.db"
        shutil.copy(tmp_path / "oncefill.db", path)
        row = ("c", "b", "2026-03-02", "005930", "BUY", "1", "70000", "0", "0")
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.executemany(
                "INSERT INTO fills (seq, exec_id, transact_time, client_order_id, broker_order_id,"
                " trade_date, symbol, side, last_qty, last_px, commission, tax)"
                " VALUES (?, ?, '2026-03-02T01:00:00.000000Z', ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                ((seq, str(seq), *row) for seq in range(100, 100 + count)),
            )
        with open_reader(path) as reader:
            tracemalloc.start()
            try:
                found = sum(1 for _ in csv_lines(("a",), rows(reader, "fills"))) - 1
                return found, tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    a_store(tmp_path).close()
    peak(10)  # What is made once.
    small, large = peak(3_000), peak(30_000)

    assert (small[0], large[0]) == (3_000, 30_000)
    assert large[1] < 1.5 * small[1]


@pytest.mark.parametrize("what", [("export", "fills"), ("audit", "export")])
def test_a_reader_that_goes_away_ends_it_quietly(tmp_path, what):
    with closing(a_store(tmp_path)) as store:
        commit(store.journal(), *(step for number in range(600) for step in a_filled_order(number)))
    command = [sys.executable, str(ROOT / "run.py"), *what, "--store", str(store.path)]

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()

    assert (process.returncode, said) == (PIPE_CLOSED, b"")
