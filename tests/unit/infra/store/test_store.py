"""Opening a store: one engine, one account, and clear words when it cannot be used."""

import json
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from domain.errors import AccountLockedError, FencedError, NotSentError, StoreError
from infra.store.folders import latest_store, new_run_folder
from infra.store.store import open_store
from tests.fakes_time import ManualClock
from tests.unit.infra.store.stores import PAPER, a_filled_order, a_store, commit, passes


@pytest.fixture
def store(tmp_path):
    opened = a_store(tmp_path / "run")
    yield opened
    opened.close()


def test_only_the_owner_can_read_it(store):
    commit(store.journal(), *a_filled_order())

    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in store.path.parent.iterdir()}

    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
    assert len(modes) == 5
    assert set(modes.values()) == {0o600}


def test_a_second_engine_is_refused_and_told_who_holds_the_account(store):
    with pytest.raises(AccountLockedError, match=f"pid {os.getpid()} on .*, started 2024-03-04"):
        a_store(store.path.parent)


def test_the_lock_file_names_the_holder_for_tools(store):
    holder = json.loads(store.path.with_name("oncefill.db.lock").read_text())

    assert holder["pid"] == os.getpid()
    assert holder["account_id"] == PAPER


def test_a_holder_that_has_not_named_itself_yet_is_refused_as_well(store):
    store.path.with_name("oncefill.db.lock").write_text("")

    with pytest.raises(AccountLockedError, match="not yet named"):
        a_store(store.path.parent)


def test_the_first_engine_of_a_store_has_epoch_one(store):
    assert store.journal().epoch == store.epoch == 1
    assert store.journal().epoch == store.epoch == 2


def test_a_closed_store_is_free_again(store):
    store.journal()
    store.close()

    again = a_store(store.path.parent)

    assert again.epoch == store.epoch
    assert again.journal().epoch > store.epoch
    again.close()


def test_a_killed_engine_frees_the_lock_at_once(tmp_path):
    code = (
        "import os, signal, sys; from pathlib import Path;"
        "from tests.unit.infra.store.stores import a_store;"
        "store = a_store(Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, check=False)

    a_store(tmp_path).close()


def test_a_store_belongs_to_one_account(store):
    store.close()

    with pytest.raises(StoreError, match="belongs to account paper, not to other"):
        a_store(store.path.parent, account_id="other")
    a_store(store.path.parent).close()


def test_a_missing_store_is_not_made_unless_asked(tmp_path):
    with pytest.raises(StoreError, match="no store at"):
        a_store(tmp_path / "nowhere", create=False)

    assert list(tmp_path.iterdir()) == []


def test_a_newer_schema_says_upgrade(store):
    store.close()
    _execute(store.path, "UPDATE meta SET value = '99' WHERE key = 'schema_version'")

    with pytest.raises(StoreError, match=r"schema 99.*upgrade Oncefill"):
        a_store(store.path.parent)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.write_text("Dear diary, " * 500), "is not a store or is damaged"),
        (lambda path: _execute(path, "CREATE TABLE t (x)"), "is not an Oncefill store"),
        (lambda path: _execute(path, "CREATE TABLE meta (key, value)"), "no schema version"),
        (lambda path: path.mkdir(), "cannot be written"),
    ],
)
def test_a_file_that_is_no_store_is_left_alone(tmp_path, make, says):
    path = tmp_path / "oncefill.db"
    make(path)

    with pytest.raises(StoreError, match=says):
        a_store(tmp_path)

    with pytest.raises(StoreError, match=says):
        a_store(tmp_path)


def test_a_creation_that_was_interrupted_is_begun_again(tmp_path):
    (tmp_path / "oncefill.db").touch()

    a_store(tmp_path).close()


def test_a_folder_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match="cannot be made"):
        a_store(tmp_path / "file" / "folder")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_says_so(tmp_path):
    tmp_path.chmod(0o500)

    with pytest.raises(StoreError, match="cannot be written"):
        a_store(tmp_path)


def test_the_next_engine_fences_one_that_still_runs(store):
    """The lock is gone, for whatever reason: the epoch still stands between the two."""
    journal, guard = store.journal(), store.guard()
    store._lock.release()

    other = a_store(store.path.parent)
    other.journal()

    with pytest.raises(NotSentError, match="taken over"):
        passes(guard)
    journal.append(a_filled_order()[0], lambda _: None)
    with pytest.raises(FencedError, match="taken over"):
        journal.drain()
    other.close()


def test_the_guard_lets_orders_pass_while_all_is_well(store):
    store.journal()

    passes(store.guard())


def test_the_guard_of_an_older_tree_refuses(store):
    store.journal()
    guard = store.guard()
    passes(guard)

    store.journal()

    with pytest.raises(NotSentError, match="taken over"):
        passes(guard)
    passes(store.guard())


def test_a_halt_file_stops_sending_until_it_is_removed(store):
    guard = store.guard()
    halt = store.path.with_name("HALT")

    halt.symlink_to("nowhere")
    with pytest.raises(NotSentError, match="halted"):
        passes(guard)
    halt.unlink()
    passes(guard)


def test_a_guard_that_cannot_read_refuses(store):
    guard = store.guard()
    passes(guard)

    store.path.rename(store.path.with_name("moved"))
    with pytest.raises(NotSentError, match="was deleted"):
        passes(guard)
    store.path.touch()
    with pytest.raises(NotSentError, match="was replaced"):
        passes(guard)


def test_a_closed_guard_refuses(store):
    guard = store.guard()
    passes(guard)

    guard.close()

    with pytest.raises(NotSentError, match="could not be read"):
        passes(guard)


def test_a_relative_path_means_the_folder_it_was_opened_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = open_store(Path("oncefill.db"), account_id=PAPER, clock=ManualClock())
    monkeypatch.chdir("/")

    commit(store.journal(), *a_filled_order())

    assert (tmp_path / "oncefill.db").stat().st_size > 0
    store.close()


def test_a_run_gets_its_own_folder_and_the_pointer(tmp_path):
    base = tmp_path / ".oncefill"

    first = new_run_folder(base, "demo", ManualClock())
    second = new_run_folder(base, "demo", ManualClock())
    a_store(second).close()

    assert (first.name, second.name) == ("demo-20240304-010000", "demo-20240304-010000-2")
    assert stat.S_IMODE(second.stat().st_mode) == stat.S_IMODE(base.stat().st_mode) == 0o700
    assert latest_store(base) == second / "oncefill.db"


@pytest.mark.parametrize("pointer", [None, "", "gone", "../elsewhere"])
def test_a_pointer_to_nothing_says_so(tmp_path, pointer):
    if pointer is not None:
        (tmp_path / "latest").write_text(pointer)

    with pytest.raises(StoreError, match="--store"):
        latest_store(tmp_path)


def test_a_base_that_is_no_folder_says_so(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match="No run folder"):
        new_run_folder(tmp_path / "file", "demo", ManualClock())


def _execute(path, statement):
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()
