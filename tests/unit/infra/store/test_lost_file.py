"""A file that goes away under a running engine: nothing written to its ghost is acknowledged."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from domain.errors import NotSentError, StoreError
from domain.journal import Committed
from infra.store.reading import open_reader
from tests.unit.infra.store.stores import a_filled_order, a_store, commit, passes


@pytest.fixture
def store(tmp_path):
    opened = a_store(tmp_path / "run")
    yield opened
    opened.close()


def _files(path):
    return [Path(f"{path}{end}") for end in ("", "-wal", "-shm")]


def _unlink(path):
    for file in _files(path):
        file.unlink()


def _replace(path):
    """By a sound copy, its commits and its epoch in it."""
    copy = path.with_name("copy.db")
    with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(copy)) as new:
        old.backup(new)
    copy.replace(path)


def _truncate(path):
    for file in _files(path)[:2]:
        os.truncate(file, 0)


def _replace_wal(path):
    wal = Path(f"{path}-wal")
    copy = path.with_name("copy")
    shutil.copyfile(wal, copy)
    copy.replace(wal)


LOSSES = [
    pytest.param(_unlink, "was deleted", id="deleted"),
    pytest.param(lambda path: path.unlink(), "was deleted", id="file-deleted"),
    pytest.param(lambda path: shutil.rmtree(path.parent), "was deleted", id="folder-deleted"),
    pytest.param(lambda path: path.parent.rename(f"{path.parent}-2"), "was deleted", id="moved"),
    pytest.param(_replace, "was replaced", id="replaced"),
    pytest.param(_truncate, "was emptied|could not be written", id="truncated"),
    pytest.param(lambda path: os.truncate(path, 0), "was emptied", id="file-truncated"),
    pytest.param(lambda path: os.truncate(path, 99), "was emptied", id="header-cut"),
    pytest.param(lambda p: Path(f"{p}-wal").unlink(), r"-wal was deleted", id="wal-deleted"),
    pytest.param(_replace_wal, r"-wal was replaced", id="wal-replaced"),
]


@pytest.mark.parametrize(("lose", "says"), LOSSES)
def test_a_lost_store_acknowledges_nothing_and_says_what_to_do(store, lose, says):
    journal, replies = store.journal(), []
    commit(journal, *a_filled_order(1))

    lose(store.path)
    journal.append(a_filled_order(2)[0], replies.append)

    with pytest.raises(StoreError, match=rf"({says}).*[Nn]othing of this commit.*start"):
        journal.drain()
    assert replies == []
    with pytest.raises(StoreError, match="has failed"):
        journal.append(a_filled_order(3)[0], replies.append)


@pytest.mark.parametrize(("lose", "says"), LOSSES[:5])
def test_a_store_lost_before_its_first_commit_is_noticed_too(store, lose, says):
    journal, replies = store.journal(), []
    with closing(sqlite3.connect(store.path)) as other:
        other.execute("SELECT * FROM meta").fetchall()  # So that there are all three files.
        lose(store.path)
    journal.append(a_filled_order(1)[0], replies.append)

    with pytest.raises(StoreError):
        journal.drain()
    assert replies == []


def test_a_tree_built_again_does_not_go_on_with_another_file(store):
    commit(store.journal(), *a_filled_order(1))

    _replace(store.path)

    with pytest.raises(StoreError, match=r"was replaced.*start"):
        store.journal()


def test_a_store_reached_by_a_link_is_watched_where_it_lies(tmp_path):
    a_store(tmp_path / "real").close()
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "oncefill.db").symlink_to(tmp_path / "real" / "oncefill.db")
    with closing(a_store(tmp_path / "link")) as store:
        journal = store.journal()
        commit(journal, *a_filled_order(1))

        (tmp_path / "real" / "oncefill.db-wal").unlink()

        with pytest.raises(StoreError, match=r"real/oncefill.db-wal was deleted"):
            commit(journal, *a_filled_order(2))


def test_a_file_that_came_back_before_anything_was_written_is_the_same(store):
    journal = store.journal()
    commit(journal, *a_filled_order(1))

    store.path.parent.rename(f"{store.path.parent}-2")
    Path(f"{store.path.parent}-2").rename(store.path.parent)

    assert all(isinstance(reply, Committed) for reply in commit(journal, *a_filled_order(2)))


def test_a_wal_that_others_moved_into_the_file_is_no_loss(store):
    journal = store.journal()
    commit(journal, *a_filled_order(1))
    with closing(sqlite3.connect(store.path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    assert all(isinstance(reply, Committed) for reply in commit(journal, *a_filled_order(2)))


def test_the_guard_refuses_an_emptied_store(store):
    store.journal()
    guard = store.guard()
    passes(guard)

    os.truncate(store.path, 0)

    with pytest.raises(NotSentError, match="was emptied"):
        passes(guard)


def test_a_log_of_commits_cut_short_under_a_running_engine_stops_it(store):
    journal = store.journal()
    commit(journal, *a_filled_order(1))
    commit(journal, *a_filled_order(2))
    replies = []

    os.truncate(f"{store.path}-wal", 0)
    journal.append(a_filled_order(3)[0], replies.append)

    with pytest.raises(StoreError, match="was cut short"):
        journal.drain()
    assert replies == []


def test_a_log_of_commits_emptied_after_a_crash_is_missed_at_the_next_start(tmp_path):
    """It looks like a log that was just moved into the file."""
    running = a_store(tmp_path / "run")
    commit(running.journal(), *a_filled_order())
    killed = tmp_path / "killed"
    shutil.copytree(tmp_path / "run", killed)
    os.truncate(killed / "oncefill.db-wal", 0)
    running.close()

    with pytest.raises(StoreError, match=r"reached row 5.*ends at row 0"):
        a_store(killed)
    (killed / "oncefill.db.head").unlink()
    a_store(killed).close()


def test_an_older_copy_put_back_is_noticed(tmp_path):
    store = a_store(tmp_path)
    journal = store.journal()
    commit(journal, *a_filled_order(1))
    store.close()
    shutil.copy(store.path, tmp_path / "backup")
    again = a_store(tmp_path)
    commit(again.journal(), *a_filled_order(2))
    again.close()
    shutil.copy(tmp_path / "backup", store.path)

    with pytest.raises(StoreError, match="an older copy was put back"):
        a_store(tmp_path)


def test_the_heads_are_in_the_log_when_an_engine_opens_and_closes_the_store(tmp_path):
    store = a_store(tmp_path / "run")
    with capture_logs() as said:
        commit(store.journal(), *a_filled_order())
        store.close()

    heads = [(line["event"], line["seq"]) for line in said]
    assert heads == [("store.opened", 0), ("store.closed", 5)]
    with open_reader(store.path) as reader:
        assert said[-1]["hash"] == reader.head().hash
