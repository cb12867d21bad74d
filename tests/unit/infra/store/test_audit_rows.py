"""Rows that were appended with the right hash, and are wrong all the same."""

import json
import sqlite3
from contextlib import closing

import pytest

from domain.lifecycle import topics_of
from infra.store.audit import verify
from infra.store.belonging import has_topics, is_at_home
from infra.store.chain import GENESIS, row_hash
from infra.store.export import export_lines, verify_export
from infra.store.reading import open_reader
from tests.unit.domain import orders as o
from tests.unit.infra.store.stores import a_filled_order, a_store, commit

AT = "2026-03-02T01:00:00Z"
RECORDED = "2026-03-02T01:00:00.000000Z"
REFUSED = json.dumps({"signal_id": "q", "field": "", "reason": "r", "at": AT})
HALTED = json.dumps(
    {"scope": {"kind": "account", "name": ""}, "reason": "x", "requested_by": "", "at": AT}
)
STARTED = json.dumps({"epoch": 1, "version": "1", "at": AT})


@pytest.fixture
def path(tmp_path):
    with closing(a_store(tmp_path)) as store:
        commit(store.journal(), *a_filled_order())
    return store.path


def append(path, stream, kind, topics, data, recorded_at=RECORDED):
    """Append as somebody does who knows how the chain is made."""
    with closing(sqlite3.connect(path)) as db, db:
        seq, head = db.execute("SELECT seq, hash FROM journal ORDER BY seq DESC").fetchone()
        last = "SELECT max(stream_seq) FROM journal WHERE stream = ?"
        version = (db.execute(last, (stream,)).fetchone()[0] or 0) + 1
        row = (seq + 1, stream, version, kind, topics, data, recorded_at)
        values = (*row, head, row_hash((head, *row)))
        db.execute("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)


def the(path, kind):
    with closing(sqlite3.connect(path)) as db:
        found = "SELECT kind, topics, data FROM journal WHERE kind = ?"
        return db.execute(found, (kind,)).fetchone()


def failed(path):
    """Return what is found in the store, and in its export."""
    with open_reader(path) as reader:
        report, lines = verify(reader), list(export_lines(reader))
    file = path.with_suffix(".jsonl")
    file.write_text("".join(f"{line}\n" for line in lines))
    return [{c.name for c in r.checks if not c.ok} for r in (report, verify_export(file))]


def test_a_right_row_is_no_finding(path):
    append(path, "signal", "SignalRefused", "signal.refused", REFUSED)
    append(path, "halt", "Halted", "trading.halted", HALTED)
    append(path, "signal", "SignalRefused", "", REFUSED)

    assert failed(path) == [set(), set()]


@pytest.mark.parametrize("kind", ["OrderCreated", "Accepted", "Filled"])
@pytest.mark.parametrize("stream", ["zzz", "signal", "engine", "halt", "order", "position/paper"])
def test_an_event_of_an_order_in_a_stream_that_is_none_is_found(path, kind, stream):
    append(path, stream, *the(path, kind))

    assert failed(path)[1] == {"streams"}
    assert "streams" in failed(path)[0]


@pytest.mark.parametrize(
    ("stream", "row"),
    [
        ("zzz", ("Halted", "trading.halted", HALTED)),
        ("engine", ("Halted", "trading.halted", HALTED)),
        ("order/x", ("Halted", "trading.halted", HALTED)),
        ("engine", ("SignalRefused", "signal.refused", REFUSED)),
        ("signal", ("EngineStarted", "engine.started", STARTED)),
    ],
)
def test_an_event_in_a_stream_that_is_not_its_own_is_found(path, stream, row):
    append(path, stream, *row)

    assert failed(path) == [{"streams"}, {"streams"}]


@pytest.mark.parametrize("topics", ["not json", "order.filled", '["x"]', " ", "signal.refused "])
def test_topics_that_the_event_does_not_have_are_found(path, topics):
    append(path, "signal", "SignalRefused", topics, REFUSED)

    assert failed(path) == [{"topics"}, {"topics"}]


@pytest.mark.parametrize("path", o.PATHS)
def test_whatever_an_order_publishes_is_known(path):
    """Kept apart from what the engine publishes today, so that older journals stay right."""
    order = o.an_order(path)
    for event in (o.filled(1, "z"), o.filled(-1, "z"), *o.EVENTS.values()):
        assert has_topics(event, " ".join(topics_of(event, order)))
        assert is_at_home(event, "order/x")


@pytest.mark.parametrize(
    "recorded_at",
    ["1999", "", "2026-03-02T01:00:00", "2026-03-02T01:00:00.000000+09:00", "2026-03-02T01:00:00Z"],
)
def test_a_row_that_was_recorded_at_no_time_in_utc_is_found(path, recorded_at):
    append(path, "signal", "SignalRefused", "signal.refused", REFUSED, recorded_at)

    assert failed(path) == [{"times"}, {"times"}]


def test_a_clock_that_was_set_back_is_no_finding(path):
    at = "1999-03-02T01:00:00.000000Z"
    append(path, "signal", "SignalRefused", "signal.refused", REFUSED, at)

    assert failed(path) == [set(), set()]


@pytest.mark.parametrize("content", [b"x", b"\0" * 160, b"\xff", b"{}", b"[1]"])
def test_a_head_file_that_holds_no_head_is_found(path, content):
    path.with_name(path.name + ".head").write_bytes(content)

    assert failed(path) == [{"noted heads"}, set()]


@pytest.mark.parametrize(
    "edit", [{"seq": 0, "hash": GENESIS}, {"clean": False}, {"clean": 1}, {"sum": "0" * 16}]
)
def test_a_head_file_that_was_edited_is_found(path, edit):
    file = path.with_name(path.name + ".head")
    file.write_text(json.dumps(json.loads(file.read_text()) | edit))

    assert failed(path) == [{"noted heads"}, set()]


@pytest.mark.parametrize("is_there", [True, False])
def test_without_any_noted_head_the_audit_says_that_there_was_none(path, is_there):
    file = path.with_name(path.name + ".head")
    file.unlink()
    if is_there:
        file.touch()

    with open_reader(path) as reader:
        details = {check.name: check.detail for check in verify(reader).checks if check.ok}

    assert details["noted heads"].startswith("none to compare with")
