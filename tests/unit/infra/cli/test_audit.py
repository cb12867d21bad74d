"""``audit verify`` and ``audit show``."""

import json
import shutil
import sqlite3
from contextlib import closing

import pytest


@pytest.fixture
def tampered(stories, tmp_path):
    """A copy of the store with one price changed behind the journal's back."""
    store = tmp_path / "oncefill.db"
    shutil.copy(stories, store)
    shutil.copy(f"{stories}-wal", f"{store}-wal")
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("DROP TRIGGER journal_no_update")
        connection.execute("UPDATE journal SET data=replace(data, '72000', '92000')")
        connection.commit()
    return store


def test_a_whole_journal_passes_every_check(lines, answer):
    shown, report = lines("audit", "verify"), answer("audit", "verify")

    assert set(report) == {"store", "ok", "head_seq", "head_hash", "checks"}
    assert report["ok"]
    assert all(check["ok"] for check in report["checks"])
    assert {check["name"] for check in report["checks"]} >= {"chain", "replay", "positions"}
    assert f"Head of the journal: row {report['head_seq']}, hash {report['head_hash']}" in shown
    assert shown[-1] == f"All {len(report['checks'])} checks passed."


def test_a_changed_row_is_named_and_the_exit_code_is_1(perform, tampered):
    code, out, _ = perform("audit", "verify", "--store", tampered)
    json_code, report, _ = perform("audit", "verify", "--store", tampered, "--json")

    assert (code, json_code, json.loads(report)["ok"]) == (1, 1, False)
    assert "chain           FAIL    row 10 was changed" in out
    assert "Stop trading on this store" in out.splitlines()[-1]


def test_events_are_listed_in_words(lines, answer):
    shown = lines("audit", "show", "--limit", "1000")

    first = answer("audit", "show")["events"][0]
    assert set(first) == {
        *("seq", "recorded_at", "stream", "stream_seq", "kind", "topics", "summary", "event"),
    }
    assert (first["kind"], first["topics"]) == ("EngineStarted", ["engine.started"])
    assert any("order.filled" in line and "filled 100 at 70,000" in line for line in shown)
    assert any("signal bad refused: side: it is required" in line for line in shown)
    assert any(
        "005930 삼성전자: SELL 100 at 72,000, holds 0, realized +200,000" in x for x in shown
    )


def test_events_are_chosen_by_number_and_stream(lines, answer):
    part = answer("audit", "show", "--after", "2", "--limit", "3")
    engine = answer("audit", "show", "--stream", "engine")

    assert [event["seq"] for event in part["events"]] == [3, 4, 5]
    assert part["has_more"]
    assert {event["stream"] for event in engine["events"]} == {"engine"}
    assert lines("audit", "show", "--limit", "2")[-1] == "More follow: --after 2, or --limit N."
    assert lines("audit", "show", "--after", "9999") == ["No events after row 9,999."]
    assert lines("audit", "show", "--stream", "nothing") == ["No events of stream nothing."]


def test_a_terminal_wraps_what_happened_and_keeps_the_numbers(terminal, lines):
    terminal(80)

    shown = "\n".join(lines("audit", "show", "--limit", "12"))

    assert "Left out for lack of width: topics." in shown.replace("\n", " ")
