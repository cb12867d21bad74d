"""The broker's file: it outlives its process, has one owner, and refuses what it cannot read."""

import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import event

from domain.broker import BrokerState
from domain.errors import NotSentError, OutcomeUnknownError, StoreError
from domain.session import ALWAYS_OPEN
from domain.terms import Side
from infra.brokers.paper.orders import Holding
from tests.contract.gateways import PaperWorld, a_paper_world

ROOT = Path(__file__).parents[4]


def test_a_second_owner_is_refused_and_told_why(tmp_path):
    world = a_paper_world(tmp_path)

    with pytest.raises(StoreError, match="another process holds it"):
        PaperWorld(world.path)


def test_a_file_of_a_newer_version_is_refused(tmp_path):
    path = tmp_path / "paper.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(StoreError, match="newer"):
        PaperWorld(path)


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.write_bytes(b"no book" * 99)])
def test_a_file_that_is_no_book_is_refused(tmp_path, make):
    path = tmp_path / "paper.db"
    make(path)

    with pytest.raises(StoreError, match="cannot be used"):
        PaperWorld(path)


def test_a_book_that_lacks_a_column_is_refused(tmp_path):
    a_paper_world(tmp_path).gateway.close()
    path = tmp_path / "paper.db"
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE orders DROP COLUMN reason")
    connection.close()

    with pytest.raises(StoreError, match="cannot be used"):
        PaperWorld(path)


def test_a_failed_commit_leaves_the_outcome_unknown_and_the_book_unused(tmp_path):
    world = a_paper_world(tmp_path)
    world.place("good", limit_px=Decimal(60_000))
    sql = world.gateway.broker._book._connection.engine

    def fail(*_):
        raise sqlite3.OperationalError("disk I/O error")

    event.listen(sql, "before_cursor_execute", fail)
    with pytest.raises(OutcomeUnknownError):
        world.place("bad")
    event.remove(sql, "before_cursor_execute", fail)
    with pytest.raises(OutcomeUnknownError):
        world.place("after")

    world.reopen()
    assert [each.client_order_id for each in world.ledger().orders] == ["good"]


def test_a_closed_gateway_sends_nothing(tmp_path):
    world = a_paper_world(tmp_path)
    world.place(limit_px=Decimal(60_000))
    world.gateway.close()

    with pytest.raises(NotSentError):
        world.place("late")
    world.push(60_000)
    world.clock.advance(86_400)


def test_digits_come_back_as_they_were_written(tmp_path):
    world = a_paper_world(tmp_path)
    world.place(limit_px=Decimal("60000.00"), order_qty=Decimal("1E+1"))
    before = world.ledger().orders[0]

    world.reopen()

    after = world.ledger().orders[0]
    assert (str(after.limit_px), str(after.order_qty)) == ("60000.00", "1E+1")
    assert after == before


@pytest.mark.parametrize(
    ("trades", "qty", "avg_px"),
    [
        ([(Side.BUY, 10, 100), (Side.BUY, 20, 130)], 30, 120),
        ([(Side.BUY, 10, 100), (Side.SELL, 4, 900)], 6, 100),
        ([(Side.BUY, 10, 100), (Side.SELL, 10, 900)], 0, 0),
        ([(Side.BUY, 10, 100), (Side.SELL, 15, 90)], -5, 90),
        ([(Side.SELL, 10, 100), (Side.SELL, 10, 120), (Side.BUY, 5, 1)], -15, 110),
    ],
)
def test_a_holding_averages_what_opens_and_keeps_its_price_when_closing(trades, qty, avg_px):
    held = Holding()
    for side, last_qty, last_px in trades:
        held = held.after(side, Decimal(last_qty), Decimal(last_px))

    assert (held.qty, held.avg_px) == (qty, avg_px)


def test_orders_and_quotes_from_many_threads_stay_consistent(tmp_path):
    world = a_paper_world(
        tmp_path, latency_s=(0, 0), rate_limit=10_000, power_safe=False, session=ALWAYS_OPEN
    )
    broker = world.gateway.broker

    def work(number: int) -> None:
        world.place(str(number), limit_px=Decimal(70_000), order_qty=Decimal(3))
        world.push(70_000, volume=20)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(80)))
    for _ in range(200):
        world.push(70_000, volume=20)

    ledger = world.ledger()
    assert {each.state for each in ledger.orders} == {BrokerState.FILLED}
    assert len({each.broker_order_id for each in ledger.orders}) == 80
    assert sum(each.last_qty for each in ledger.fills) == 240
    world.gateway.close()
    assert broker.ledger("A-1") == ledger


VICTIM = """
import sys
from pathlib import Path
from decimal import Decimal
from tests.contract.gateways import a_paper_world
world = a_paper_world(Path(sys.argv[1]), rate_limit=1_000_000, latency_s=(0, 0))
number = 0
while True:
    number += 1
    world.push(70_000, volume=130)
    ack = world.place(str(number), limit_px=Decimal(70_000))
    print(ack.broker_order_id, flush=True)
    if number % 500 == 0:
        world.clock.advance(86_400)
"""


def test_a_killed_broker_has_every_order_it_acknowledged(tmp_path):
    command = [sys.executable, "-c", VICTIM, str(tmp_path)]
    with subprocess.Popen(  # Our own interpreter and text.
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as victim:
        acked = [victim.stdout.readline().strip() for _ in range(40)]
        os.kill(victim.pid, signal.SIGKILL)
        acked += [line.strip() for line in victim.stdout if line.endswith("\n")]

    world = PaperWorld(tmp_path / "paper.db")

    ledger = world.ledger()
    booked = [each.broker_order_id for each in ledger.orders]
    assert booked[: len(acked)] == acked
    assert len(booked) <= len(acked) + 1
    assert sum(each.last_qty for each in ledger.fills) == sum(e.cum_qty for e in ledger.orders)
    assert ledger.positions[0].qty == sum(each.last_qty for each in ledger.fills)
    world.gateway.close()
