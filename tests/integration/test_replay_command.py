"""The command that replays: what it prints, where it stores, how it fails."""

import io
import json
import os
import subprocess
import sys
from datetime import datetime
from decimal import Decimal
from signal import SIGHUP, SIGINT, SIGTERM, getsignal, raise_signal

import pytest

from domain.broker import OrderRequest
from domain.errors import EngineStoppedError, InvalidInputError, OncefillError
from domain.session import KST
from domain.terms import ClientOrderId, OrderStatus, OrderType, Side, Symbol, TimeInForce
from infra.cli.main import guarded
from infra.store.audit import verify
from infra.store.reading import open_reader
from run import simulate_engine
from tests.house.files import ROOT
from tests.integration.replays import KODEX, QUICK, SAMSUNG, run, thin, write

pytestmark = pytest.mark.slow  # Each makes two stores, and commits to them.


def test_two_runs_print_the_same_bytes(tmp_path, capsys):
    path = write(tmp_path, *SAMSUNG, *KODEX)

    printed = []
    for name in ("one", "two"):
        assert run(path, "--json", "--store", tmp_path / name, *QUICK) == 0
        printed.append(capsys.readouterr().out)

    assert printed[0] == printed[1]


def test_the_command_prints_the_same_bytes_whatever_the_hash_seed(tmp_path):
    path = write(tmp_path, *SAMSUNG, *KODEX)

    def printed(seed):
        return subprocess.run(
            [sys.executable, str(ROOT / "run.py"), "replay", str(path), "--json", *QUICK],
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )

    first, second = printed("1"), printed("2")

    assert first.stdout == second.stdout
    assert json.loads(first.stdout)["orders"]["total"] == 6
    # Each run has a store of its own, and says where.
    assert "The store of this replay: .oncefill/replay-" in first.stderr
    assert "Replayed 2019: 10 bars" in first.stderr


def test_a_person_reads_tables_and_sentences(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, *SAMSUNG, *KODEX, "2019-05-31,005930,50200,50200,50200,50200,1000000")

    assert run(path, *QUICK) == 0

    shown = capsys.readouterr()
    assert "crossover 1/2 on 11 bars of 2 symbols, 2019-05-23 to 2019-05-31" in shown.out
    assert "005930 삼성전자" in shown.out
    assert "rounded to the tick against the trader" in shown.out
    assert "All 7 checks passed." in shown.out
    assert ".oncefill/replay-" in shown.err


def test_a_replay_without_a_trade_says_so(tmp_path, capsys):
    assert run(write(tmp_path, *SAMSUNG), "--store", tmp_path / "run") == 0

    shown = capsys.readouterr().out
    assert "No position was opened and closed again." in shown
    assert "orders           0\n" in shown


@pytest.mark.parametrize("taken", ["oncefill.db", "paper.db"])
def test_a_store_that_is_there_already_is_left_alone(tmp_path, taken):
    (tmp_path / taken).write_text("mine")

    with pytest.raises(InvalidInputError, match=f"^store: .*{taken} is there already"):
        run(write(tmp_path, *SAMSUNG), "--store", tmp_path / "oncefill.db")

    assert (tmp_path / taken).read_text() == "mine"


def test_a_bad_row_ends_the_command_before_anything_is_made(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, *SAMSUNG, "2019-05-31,005930,1,2,3,4,5")

    assert guarded(lambda: run(path)) == 2

    assert f"oncefill: {path}:8: high is below low" in capsys.readouterr().err
    assert not (tmp_path / ".oncefill").exists()


def test_an_order_of_somebody_else_fails_the_replay_loudly(tmp_path, capsys):
    def meddling(settings, *, gateway, **how):
        made = []

        def keep(clock, scheduler):
            made.append(gateway(clock, scheduler))
            return made[-1]

        engine, system = simulate_engine(settings, gateway=keep, **how)
        system.call_later(3_600.0, lambda: made[-1].broker.place(settings.account_id, foreign()))
        return engine, system

    path = write(tmp_path, *SAMSUNG[:3])
    assert run(path, "--store", tmp_path / "run", *QUICK, launch=meddling) == 1

    shown = capsys.readouterr()
    for name in ("orders", "fills", "positions", "cash", "p&l"):
        assert f"CHECK FAILED: {name}: " in shown.err
    assert "do not trust the result" in shown.out


def foreign():
    return OrderRequest(
        client_order_id=ClientOrderId("somebody-else"),
        symbol=Symbol("005930"),
        side=Side.BUY,
        order_qty=Decimal(1),
        order_type=OrderType.MARKET,
        limit_px=None,
        time_in_force=TimeInForce.DAY,
    )


class Stuck:
    """An engine that works, and then does not stop in time."""

    def __init__(self, engine):
        self._engine = engine
        self.settings = engine.settings
        self.subscribe = engine.subscribe
        self.ask = engine.ask

    def stop(self, *, reason):
        assert self._engine.stop(reason=reason) == ()
        return ("order/x",)


def test_an_engine_that_does_not_stop_in_order_is_an_error(tmp_path):
    def launch(settings, **how):
        engine, system = simulate_engine(settings, **how)
        return Stuck(engine), system

    with pytest.raises(OncefillError, match="did not stop in order: order/x"):
        run(write(tmp_path, *SAMSUNG), "--store", tmp_path / "run", *QUICK, launch=launch)


def test_an_engine_that_gives_no_receipt_is_an_error_and_is_stopped(tmp_path):
    made = []

    def launch(settings, **how):
        engine, system = simulate_engine(settings, **how)
        engine.actor("executor").stop()
        made.append(engine)
        return engine, system

    with pytest.raises(OncefillError, match="no receipt"):
        run(write(tmp_path, *SAMSUNG), "--store", tmp_path / "run", *QUICK, launch=launch)

    with pytest.raises(EngineStoppedError):
        made[-1].tell({})


def test_an_order_whose_end_is_never_heard_ends_the_replay(tmp_path):
    def launch(settings, *, gateway, **how):
        made = []

        def keep(clock, scheduler):
            made.append(gateway(clock, scheduler))
            return made[-1]

        engine, system = simulate_engine(settings, gateway=keep, **how)
        until_close = datetime(2019, 5, 27, 14, tzinfo=KST) - system.now()
        system.call_later(until_close.total_seconds(), made[-1].close)
        return engine, system

    path = write(tmp_path, *thin(1_000))
    with pytest.raises(OncefillError, match=r"close of 2019-05-27: crossover:005930:"):
        run(path, "--store", tmp_path / "run", *QUICK, launch=launch)


@pytest.mark.parametrize(("number", "code"), [(SIGINT, 130), (SIGTERM, 143), (SIGHUP, 129)])
def test_ctrl_c_and_its_like_stop_the_engine_in_order(tmp_path, number, code):
    def launch(settings, **how):
        engine, system = simulate_engine(settings, **how)
        # In the middle of a step, and of a call to the broker.
        until_open = datetime(2019, 5, 27, 9, tzinfo=KST) - system.now()
        system.call_later(until_open.total_seconds() + 0.015, lambda: raise_signal(number))
        return engine, system

    before = getsignal(number)
    path = write(tmp_path, *SAMSUNG)
    assert guarded(lambda: run(path, "--store", tmp_path, *QUICK, launch=launch)) == code

    assert getsignal(number) is before
    with open_reader(tmp_path / "oncefill.db") as reader:
        assert verify(reader).ok
        assert [order.status for order in reader.orders()] == [OrderStatus.FILLED]
        *_, last = reader.records()
    assert "engine.stopped" in last.topics


class Terminal(io.StringIO):
    """Somebody looks at it."""

    def isatty(self):
        return True


def test_a_terminal_shows_a_bar_that_goes_away(tmp_path, monkeypatch):
    seen = Terminal()
    monkeypatch.setattr(sys, "stderr", seen)

    assert run(write(tmp_path, *SAMSUNG), "--json", "--store", tmp_path / "run") == 0

    assert "Replaying 2019-05-30" in seen.getvalue()
    assert "6/6" in seen.getvalue()
    assert "Replayed 2019" not in seen.getvalue()
