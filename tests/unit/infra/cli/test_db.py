"""``db backup``: a copy that is whole and audited, or none."""

import json
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing

import pytest

from infra.store.audit import verify
from infra.store.reading import open_reader
from tests.house.files import ROOT
from tests.unit.infra.store.stores import WRITES_UNTIL_KILLED, a_filled_order, a_store, commit


@pytest.fixture
def file(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "elsewhere" / "backup.db"


def test_a_copy_is_made_while_an_engine_runs_and_an_engine_goes_on_with_it(perform, tmp_path, file):
    with closing(a_store(tmp_path)) as store:
        journal = store.journal()
        commit(journal, *a_filled_order(1))
        code, out, err = perform("db", "backup", file, "--store", store.path, "--json")
        commit(journal, *a_filled_order(2))

    facts = json.loads(out)
    assert (code, err, facts["ok"]) == (0, "", True)
    assert facts["head_seq"] == 5
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]
    shutil.move(file, file.with_name("oncefill.db"))
    with closing(a_store(file.parent)) as restored:
        commit(restored.journal(), *a_filled_order(3))
    with open_reader(restored.path) as reader:
        assert verify(reader).ok
        assert {order.signal_id for order in reader.orders()} == {"s-1", "s-3"}


@pytest.mark.slow
def test_a_copy_of_a_store_that_is_written_all_the_time_is_sound(perform, tmp_path, file):
    command = [sys.executable, "-c", WRITES_UNTIL_KILLED, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as writer:
        try:
            for _ in range(50):
                assert writer.stdout.readline()
            code, out, err = perform("db", "backup", file, "--store", tmp_path / "oncefill.db")
        finally:
            writer.kill()

    assert (code, err) == (0, "")
    assert "checks passed" in out
    with open_reader(file) as reader:
        assert verify(reader).ok
        assert reader.head().seq > 0


def test_nothing_is_replaced(perform, stories, file):
    file.write_text("mine")

    code, _, err = perform("db", "backup", file, "--store", stories)

    assert (code, file.read_text()) == (2, "mine")
    assert "is there already" in err


def test_the_name_of_a_link_to_nowhere_is_not_taken(perform, stories, file):
    file.symlink_to(file.with_name("none"))

    code, _, err = perform("db", "backup", file, "--store", stories)

    assert (code, "is there already" in err) == (2, True)


def test_a_copy_that_is_not_sound_is_not_kept(perform, own_stories, file):
    with closing(sqlite3.connect(own_stories)) as raw, raw:
        raw.execute("UPDATE orders SET cum_qty = '1' WHERE signal_id = 'resting'")

    code, _, err = perform("db", "backup", file, "--store", own_stories)

    assert code == 1
    assert "not sound, and was not kept (" in err
    assert list(file.parent.iterdir()) == []


def test_a_copy_that_ends_before_what_was_noted_is_not_kept(perform, tmp_path, file):
    with closing(a_store(tmp_path / "new")) as other:
        pass
    with closing(a_store(tmp_path)) as store:
        commit(store.journal(), *a_filled_order(1))
    shutil.copy(other.path, store.path)

    code, _, err = perform("db", "backup", file, "--store", store.path)

    assert (code, "noted heads" in err) == (1, True)
    assert not file.exists()


def test_what_is_no_store_is_said(perform, tmp_path, file):
    code, _, err = perform("db", "backup", file, "--store", tmp_path / "none.db")

    assert (code, "There is no store" in err) == (1, True)


def test_a_store_on_a_server_is_for_pg_dump(perform, file):
    url = "postgresql://me@host/trade?schema=paper"

    code, _, err = perform("db", "backup", file, "--store", url)

    assert code == 2
    assert "pg_dump --format=custom --schema=paper" in err
