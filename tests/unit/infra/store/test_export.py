"""The journal as lines that others can check; and tables made again from it."""

import json
import sqlite3
from contextlib import closing
from hashlib import sha256

import psycopg
import pytest

from domain.errors import AccountLockedError, StoreError
from domain.events import Rejected
from infra.store.audit import verify
from infra.store.chain import GENESIS
from infra.store.export import export_lines, verify_export
from infra.store.reading import open_reader
from infra.store.rebuild import rebuild, rewrite
from infra.store.views import Head
from tests.fakes_time import ManualClock
from tests.unit.domain.orders import NOW, started
from tests.unit.infra.store.stores import a_filled_order, a_store, book_fills, commit, steps

EVERY_CHARACTER = "".join(map(chr, range(1, 0x180))) + '"\\/\u2028\U0001f600'


def fill_store(store):
    journal = store.journal()
    odd = steps(started(), Rejected(reason=EVERY_CHARACTER, code="1", at=NOW))
    commit(journal, *odd, *a_filled_order(1), *a_filled_order(2))
    book_fills(journal)
    commit(journal, *a_filled_order(3)[:4])


@pytest.fixture
def path(tmp_path):
    with closing(a_store(tmp_path)) as store:
        fill_store(store)
    return store.path


@pytest.fixture
def lines(path):
    with open_reader(path) as reader:
        return list(export_lines(reader))


@pytest.fixture
def exported(tmp_path, lines):
    def write(changed=None):
        file = tmp_path / "export.jsonl"
        file.write_text("".join(f"{line}\n" for line in changed or lines))
        return file

    return write


def failed(report):
    return {check.name for check in report.checks if not check.ok}


def test_an_export_can_be_checked_with_nothing_but_json_and_sha256(lines):
    """The recipe of the README, as somebody else would write it."""
    previous = GENESIS
    for line in lines:
        row = json.loads(line)
        names = ("prev_hash", "seq", "stream", "stream_seq", "kind", "topics", "data")
        covered = [*(row[name] for name in names), row["recorded_at"]]
        text = json.dumps(covered, separators=(",", ":"), ensure_ascii=False)

        assert row["prev_hash"] == previous
        assert row["hash"] == sha256(text.encode()).hexdigest()
        previous = row["hash"]


def test_an_export_is_whole_and_ends_where_the_journal_does(path, exported, lines):
    with open_reader(path) as reader:
        head = reader.head()

    report = verify_export(exported(), (head,))

    assert report.ok, report
    assert (report.seq, report.head_hash) == (len(lines), head.hash)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda lines: [line.replace("70000", "70001") for line in lines], {"chain"}),
        (lambda lines: lines[:3] + lines[4:], {"chain", "streams"}),
        (lambda lines: [lines[1], lines[0], *lines[2:]], {"chain", "streams"}),
        (lambda lines: [*lines, "{}"], {"lines"}),
        (lambda lines: [*lines[:-1], lines[-1][:-9]], {"lines"}),
        (lambda lines: [line.replace("Filled", "Killed") for line in lines], {"chain", "events"}),
    ],
)
def test_a_changed_export_is_found(exported, lines, change, found):
    assert failed(verify_export(exported(change(lines)))) == found


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line[:-1] + ',"evil":1}',
        lambda line: '{"data":"evil",' + line[1:],
        lambda line: line + " ",
    ],
)
def test_a_line_that_says_more_than_its_row_is_found(exported, lines, change):
    assert failed(verify_export(exported([change(lines[0]), *lines[1:]]))) == {"lines"}


def test_an_export_with_line_ends_of_windows_is_whole(exported, lines):
    assert verify_export(exported([f"{line}\r" for line in lines])).ok


def test_an_empty_export_is_found(tmp_path):
    file = tmp_path / "export.jsonl"
    file.touch()

    report = verify_export(file)

    assert failed(report) == {"lines"}
    assert "holds no row" in report.checks[0].detail


def test_a_cut_export_is_found_by_a_noted_head(exported, lines):
    noted = Head(len(lines), json.loads(lines[-1])["hash"])

    assert failed(verify_export(exported(lines[:-1]), (noted,))) == {"noted heads"}
    assert failed(verify_export(exported(lines[:-1]), (Head(2, "f" * 64),))) == {"noted heads"}


def test_an_export_that_is_not_there_says_so(tmp_path):
    with pytest.raises(StoreError, match="name a file that audit export wrote"):
        verify_export(tmp_path / "none.jsonl")


@pytest.fixture(params=["sqlite", "postgres"])
def named(request, tmp_path):
    """A store on each database, closed."""
    url = request.getfixturevalue("postgres").url() if request.param == "postgres" else None
    with closing(a_store(tmp_path, url=url)) as store:
        fill_store(store)
        place = store.path
    return place, url or place


def damage(place, url):
    with closing(_writer(place, url)) as raw, raw:
        raw.execute("UPDATE orders SET status = 'FILLED', cum_qty = '1' WHERE is_open")
        raw.execute("DELETE FROM fills WHERE seq = 7")
        raw.execute("UPDATE positions SET qty = '7'")
        raw.execute("DELETE FROM checkpoints")


def _writer(place, url):
    if place == url:
        return sqlite3.connect(place)
    raw = psycopg.connect(**dict(place.options), autocommit=True)
    raw.execute(f"SET search_path = {place.schema}")
    return raw


def test_tables_made_again_are_the_same(named):
    place, _ = named

    done = rebuild(place)

    assert done.ok, done
    assert not done.is_written


def test_tables_that_were_changed_are_found_and_mended(named):
    place, url = named
    damage(place, url)

    before, written, after = rebuild(place), rewrite(place, clock=ManualClock()), rebuild(place)

    wrong = {check.name for check in before.checks if not check.ok}
    assert wrong == {"checkpoint", "orders", "fills", "positions", "sums"}
    assert written.is_written
    assert after.ok
    with open_reader(url) as reader:
        assert verify(reader).ok
    with closing(a_store(None if place != url else place.parent, url=url)) as store:
        commit(store.journal(), a_filled_order(3)[4])


def test_nothing_is_written_while_an_engine_runs(named, tmp_path):
    place, url = named
    with closing(a_store(tmp_path, url=url if place != url else None)):
        with pytest.raises(AccountLockedError):
            rewrite(place, clock=ManualClock())

        assert rebuild(place).ok


def test_nothing_is_made_of_a_journal_that_is_not_sound(path):
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("DROP TRIGGER journal_no_update")
        raw.execute("UPDATE journal SET data = replace(data, '70000', '70001')")

    for run in (lambda: rebuild(path), lambda: rewrite(path, clock=ManualClock())):
        with pytest.raises(StoreError, match="Nothing can be made of this journal: chain"):
            run()
