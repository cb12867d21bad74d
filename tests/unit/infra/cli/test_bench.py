"""The bench, small: what it reports, not how fast anything is."""

import json
from argparse import Namespace
from pathlib import Path

import pytest

from domain.errors import OncefillError
from infra.bench.bed import Bed, open_bed
from infra.bench.machine import MachineLimits, measure_machine, median_limits, percentile
from infra.bench.recovery import Recovery, write_history
from infra.bench.report import Report, median_bursts
from infra.bench.scenarios import Burst, Latency, Memory
from infra.brokers.null import NullGateway
from infra.cli.bench import plan_for, run
from infra.store.audit import verify
from infra.store.reading import open_reader
from run import start_engine

ORDERS = 20


def a_machine(**changes):
    values = {
        "syncs_per_s": 1000.0,
        "sync_p50_ms": 0.5,
        "sync_p99_ms": 2.0,
        "commits_per_s": 500.0,
        "batches_per_s": 100.0,
    }
    return MachineLimits(**values | changes)


def a_burst(**changes):
    values = {"broker": "null", "orders": 1000, "seconds": 0.5, "rows": 5000, "cpu_s": 0.4}
    return Burst(**values | changes)


def a_report(**changes):
    values = {
        "is_quick": True,
        "machine": a_machine(),
        "latency": Latency(signals=100, p50_ms=1.5, p99_ms=4.0),
        "bursts": (a_burst(),),
        "memory": Memory(orders=1000, bytes_per_order=2048.0),
        "recovery": Recovery(open_orders=1000, closed_orders=10_000, seconds=0.5),
    }
    return Report(**values | changes)


@pytest.mark.slow
@pytest.mark.live
def test_a_tiny_bench_measures_everything_and_leaves_nothing_behind(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    code = run(Namespace(orders=ORDERS, quick=True, json=True), start_engine)

    out, err = capsys.readouterr()
    assert code == 0
    assert err.count("bench: ") == 6
    assert list(Path(".oncefill").iterdir()) == []
    report = json.loads(out)
    assert report["quick"] is True
    assert {(burst["broker"], burst["orders"]) for burst in report["bursts"]} == {
        ("null", ORDERS),
        ("paper", ORDERS),
    }
    # Created, SubmitStarted, Accepted, Filled, PositionChanged.
    assert [burst["rows"] for burst in report["bursts"]] == [5 * ORDERS] * 2
    assert all(burst["orders_per_s"] > 0 for burst in report["bursts"])
    assert report["latency"]["signals"] == ORDERS
    assert report["latency"]["p99_ms"] >= report["latency"]["p50_ms"] > 0
    assert report["memory"]["orders"] == ORDERS
    assert report["recovery"]["closed_orders"] == 10 * ORDERS
    assert report["recovery"]["seconds"] > 0
    assert all(figure > 0 for figure in report["machine"].values())


def test_people_get_a_table_and_whether_what_is_required_was_met(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("infra.cli.bench.measure", lambda *_: a_report())

    code = run(Namespace(orders=ORDERS, quick=True, json=False), start_engine)

    out = capsys.readouterr().out
    assert code == 0
    assert "fdatasync" in out
    assert "2,000 durable orders/s" in " ".join(out.split())
    assert out.count(": met\n") == 2


def test_what_is_required_is_compared_with_the_null_broker_alone():
    fast_paper = a_burst(broker="paper", seconds=0.1)
    slow_null = a_burst(seconds=2.0)

    assert list(a_report().required().values()) == [True, True]
    assert list(a_report(bursts=(slow_null, fast_paper)).required().values()) == [False, True]
    late = Latency(signals=100, p50_ms=3.5, p99_ms=4.0)
    assert list(a_report(latency=late).required().values()) == [True, False]


@pytest.mark.parametrize(("seconds", "is_met"), [(2.9, True), (3.1, False)])
def test_a_start_is_held_to_its_limit_where_there_is_enough_to_recover(seconds, is_met):
    slow = Recovery(open_orders=10_000, closed_orders=100_000, seconds=seconds)

    assert list(a_report(recovery=slow).required().values())[2:] == [is_met]


def test_the_history_that_a_start_is_measured_on_is_a_sound_store(tmp_path):
    path = tmp_path / "oncefill.db"

    write_history(path, open_orders=3, closed=5)

    with open_reader(path) as reader:
        assert verify(reader).ok
        statuses = [order.status for order in reader.orders()]
    assert sorted(statuses) == ["CANCELLED"] * 5 + ["SUBMITTED"] * 3


def test_ratios_compare_with_the_machine_of_the_same_run():
    report = a_report().as_json()

    assert report["latency"]["ratio_to_sync"] == 3.0
    assert report["machine"]["rows_per_s"] == 10_000.0
    assert report["bursts"][0]["rows_per_s"] == 10_000.0
    assert report["bursts"][0]["ratio_to_raw_rows"] == 1.0
    assert report["bursts"][0]["cpu_ms_per_order"] == 0.4


def test_memory_that_the_system_does_not_tell_is_not_made_up():
    report = a_report(memory=Memory(orders=10, bytes_per_order=None))

    assert report.as_json()["memory"]["bytes_per_order"] is None
    assert "not known here" in list(report.as_table().columns[1].cells)


def test_repeats_become_the_one_of_median_speed():
    repeats = [a_burst(seconds=seconds) for seconds in (0.9, 0.2, 0.4)]
    large = a_burst(orders=10_000, seconds=8.0)

    assert median_bursts([*repeats, large]) == (repeats[2], large)


def test_the_machine_is_the_median_of_what_was_measured_during_the_run(tmp_path):
    samples = [a_machine(syncs_per_s=rate) for rate in (900.0, 100.0, 800.0)]

    assert median_limits(samples).syncs_per_s == 800.0
    assert measure_machine(tmp_path, seconds=0.01).rows_per_s > 0
    assert list(tmp_path.iterdir()) == []


def test_a_percentile_is_a_measured_value():
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.0
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.99) == 4.0
    assert percentile([7.0], 0.5) == 7.0


def test_the_largest_burst_is_the_one_asked_for():
    assert plan_for(10_000, is_quick=False).bursts == (1000, 1000, 1000, 10_000)
    assert plan_for(500, is_quick=False).bursts == (500, 500, 500)
    assert plan_for(10_000, is_quick=True).bursts == (1000,)


class FakeEngine:
    """Takes signals and does nothing, or does not stop."""

    def __init__(self, *, late=()):
        self.late = late

    def tell(self, wish):
        pass

    def stop(self):
        return self.late


@pytest.fixture
def store(tmp_path):
    """Return the path of an empty store."""
    path = tmp_path / "oncefill.db"
    start_engine(store=path, gateway=lambda clock, _: NullGateway(clock)).stop()
    return path


def test_figures_of_orders_that_are_missing_do_not_count(store):
    bed = Bed(FakeEngine(), store)
    bed.tell(3)

    with pytest.raises(OncefillError, match="3 signals told"):
        bed.check()
    bed.close()


def test_a_bench_gives_up_waiting(store, monkeypatch):
    monkeypatch.setattr("infra.bench.bed._LONGEST_S", 0.0)
    monkeypatch.setattr("infra.bench.bed._LONGEST_EACH_S", 0.0)
    bed = Bed(FakeEngine(), store)
    bed.tell(3)

    with pytest.raises(OncefillError, match="gave up: of 3 orders"):
        bed.wait_until_filled()
    bed.close()


def test_an_engine_that_does_not_stop_is_named(store):
    bed = Bed(FakeEngine(late=("actors-0",)), store)

    with pytest.raises(OncefillError, match="actors-0"):
        bed.close()


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".oncefill").write_text("a file")

    with pytest.raises(OncefillError, match="cannot write in"):
        run(Namespace(orders=1, quick=True, json=True), start_engine)


@pytest.mark.slow
@pytest.mark.live
def test_a_bed_removes_its_store(tmp_path):
    with open_bed(start_engine, lambda clock, _: NullGateway(clock), tmp_path) as bed:
        bed.tell(1)
        bed.wait_until_filled()
        bed.check()

    assert list(tmp_path.iterdir()) == []
