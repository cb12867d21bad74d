"""The demo, in this process, on real threads and real time, without a terminal."""

import json
import threading

import pytest

import run
from domain.errors import InvalidInputError
from infra.cli import demo, demo_proofs, demo_report
from infra.cli.demo_scenes import SCENES, script_for
from infra.cli.main import parse
from infra.log import close_log
from infra.store.reading import open_reader
from tests.unit.domain.orders import a_signal, an_order

ALL_SCENES_S = 15


def play(tmp_path, *options):
    args = parse(["demo", "--store", str(tmp_path / "run"), *options])
    return demo.run(args, run.start_engine)


def results(text):
    """Return the result of each scene and check, as the summary prints them."""
    found = {}
    for line in text.splitlines():
        for result in ("shown", "MISSING", "skipped", "ok", "FAIL"):
            name, gap, _ = line.partition(f"  {result}  ")
            if gap and not line.startswith(" "):
                found[name.strip()] = result
    return found


def test_a_short_demo_shows_what_fits_and_leaves_nothing_behind(tmp_path, capsys):
    before = set(threading.enumerate())

    code = play(tmp_path, "--seconds", "3")

    text = capsys.readouterr().out
    assert code == 0, text
    shown = results(text)
    assert {name for name, result in shown.items() if result == "shown"} == {
        "market order",
        "limit order",
        "rejection",
        "close with P&L",
    }
    assert shown["lost answer"] == "skipped"
    assert f"needs --seconds {ALL_SCENES_S}" in text
    assert "FILLED     BUY 005930 삼성전자: " in text
    assert "REJECTED   BUY 005930 삼성전자: rejected: The limit price" in text
    assert "All 20 checks passed." in text
    assert "each exactly once" in text
    assert f"order show demo-limit --store {tmp_path / 'run' / 'oncefill.db'}" in text
    assert set(threading.enumerate()) == before


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_the_whole_script_is_shown(tmp_path, capsys):
    code = play(tmp_path, "--seconds", str(ALL_SCENES_S), "--seed", "11")

    text = capsys.readouterr().out
    assert code == 0, text
    shown = results(text)
    assert {shown[scene.name] for scene in SCENES} == {"shown"}
    assert "waits 2 s before attempt 3 of 4" in text
    assert "found by lookup, sent once" in text
    log = tmp_path / "run" / "oncefill.log"
    assert log.stat().st_mode & 0o777 == 0o600
    assert [json.loads(line)["event"] for line in log.read_text().splitlines()][-1:] == [
        "engine.stopped"
    ]


@pytest.mark.slow
def test_ctrl_c_stops_the_engine_and_says_where_the_store_is(tmp_path, capsys, monkeypatch):
    def interrupted(stage):
        stage.signal("demo-market", "005930", "BUY", 10)
        raise KeyboardInterrupt

    scene = script_for(3).scenes[0]
    before = set(threading.enumerate())
    monkeypatch.setattr(demo, "_play", lambda _script, stage, *_: interrupted(stage))

    with pytest.raises(KeyboardInterrupt):
        play(tmp_path, "--seconds", "3")

    text = capsys.readouterr().out
    assert "Stopped by Ctrl-C." in text
    assert str(tmp_path / "run") in text
    assert set(threading.enumerate()) == before
    with open_reader(tmp_path / "run" / "oncefill.db") as reader:
        assert reader.find_order(scene.signal_id).order_qty == 10


@pytest.mark.slow
def test_a_scene_that_was_not_shown_is_missing_and_fails(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(demo, "_play", lambda *_: None)

    code = play(tmp_path, "--seconds", "3")

    text = capsys.readouterr().out
    assert code == 1
    assert results(text)["market order"] == "MISSING"
    assert "Something is MISSING or FAILed above" in text


def test_a_place_that_is_taken_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "paper.db").touch()

    with pytest.raises(InvalidInputError, match="store: there is a run"):
        play(tmp_path)

    close_log()


def test_the_script_is_what_fits_and_the_same_each_time():
    assert [scene.name for scene in script_for(1).scenes] == ["market order"]
    assert len(script_for(ALL_SCENES_S).scenes) == len(SCENES)
    assert script_for(ALL_SCENES_S).skipped == ()
    assert len(script_for(ALL_SCENES_S - 1).skipped) == 1
    assert script_for(30) == script_for(30)
    assert script_for(30).pairs >= 1


def test_pairs_are_the_seed_s_choice():
    def pair(number, seed):
        told = []

        class Recorder:
            def trade(self, *order):
                told.append(order)

        demo.play_pair(Recorder(), number, seed)
        return told

    assert pair(1, seed=7) == pair(1, seed=7)
    assert len({str(pair(number, seed=7)) for number in range(9)}) > 1


def test_no_proof_is_found_where_nothing_was_shown():
    # The order of another scene proves nothing.
    seen = demo_proofs.Evidence(order=an_order("pending", a_signal()))
    proofs = [scene.proof for scene in SCENES]

    assert [proof(seen) for proof in proofs] == [None] * len(SCENES)


def test_an_order_that_only_one_side_knows_is_a_failed_check():
    ours = [an_order("working")]

    name, result, detail = demo_report._once(ours, ())

    assert (name, result) == ("orders", "FAIL")
    assert "s-1" in detail
    assert demo_report._same("fills", {}, {"x": 1}, "")[1] == "FAIL"
