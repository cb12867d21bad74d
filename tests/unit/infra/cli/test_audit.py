"""``audit`` with all it can do, and ``db upgrade``."""

import json
import sqlite3
from contextlib import closing

import pytest


@pytest.fixture
def tampered(own_stories):
    """A copy of the store with one price changed behind the journal's back."""
    store = own_stories
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


def test_the_head_is_printed_as_verify_wants_it(lines, perform, stories, answer):
    (head,) = lines("audit", "head")
    seq, _, digest = head.partition(":")

    found = answer("audit", "head")
    assert (found["head_seq"], found["head_hash"]) == (int(seq), digest)
    assert lines("audit", "verify", "--head", head)[-1].startswith("All")
    wrong = f"{seq}:{'0' * 64}"
    code, out, _ = perform("audit", "verify", "--head", wrong, "--store", stories)
    assert code == 1
    assert "was noted with hash 0000000000000000" in out


@pytest.mark.parametrize("head", ["", "7", "7:abc", ":" + "0" * 64, "x:" + "0" * 64])
def test_a_head_that_is_none_is_wrong_use(perform, head):
    with pytest.raises(SystemExit) as end:
        perform("audit", "verify", "--head", head)

    assert end.value.code == 2


def test_an_export_is_verified_without_the_store(lines, perform, tmp_path):
    file = tmp_path / "export.jsonl"
    exported = lines("audit", "export")
    file.write_text("\n".join(exported))

    code, out, _ = perform("audit", "verify", file)
    assert (code, "All 7 checks passed." in out) == (0, True)

    file.write_text("\n".join(exported).replace("72000", "92000"))
    code, out, _ = perform("audit", "verify", file, "--json")
    assert (code, json.loads(out)["ok"]) == (1, False)


@pytest.fixture
def mended(own_stories):
    """A copy of the store with one position changed."""
    store = own_stories
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("UPDATE positions SET qty = '77'")
        connection.commit()
    return store


def test_tables_are_made_again_and_written_when_asked(perform, mended):
    code, out, _ = perform("audit", "rebuild", "--store", mended)
    assert (code, "audit rebuild --write" in out) == (1, True)
    assert perform("audit", "rebuild", "--store", mended, "--json")[0] == 1

    code, out, _ = perform("audit", "rebuild", "--write", "--store", mended)
    assert (code, "made again from the journal and written" in out) == (0, True)

    code, out, _ = perform("audit", "rebuild", "--store", mended)
    assert (code, "the tables are the same" in out) == (0, True)


def test_the_drill_says_what_was_found(perform, stories, answer):
    code, out, _ = perform("audit", "drill", "--count", 5, "--store", stories)
    assert (code, out.splitlines()[0]) == (0, "5 of 5 tamperings found, seed 7.")

    found = answer("audit", "drill", "--count", "5", "--seed", "8")
    assert (found["ok"], found["count"], found["missed"]) == (True, 5, [])


def test_a_store_that_is_up_to_date_is_left_as_it_is(perform, mended):
    code, out, _ = perform("db", "upgrade", "--store", mended)
    assert (code, "up to date" in out) == (0, True)

    code, out, _ = perform("db", "upgrade", "--store", mended, "--json")
    assert json.loads(out)["was"] == json.loads(out)["now"]


def test_the_readers_take_a_url(perform, postgres):
    code, _, err = perform("orders", "--store", postgres.url())

    assert code == 1
    assert "is not an Oncefill store" in err
