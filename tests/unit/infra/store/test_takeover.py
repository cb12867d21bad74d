"""Taking a store over: only the process that is named and has the lock open is ended."""

import json
import os
import socket
import subprocess
import sys
from contextlib import closing, contextmanager

import pytest

from domain.errors import AccountLockedError, StoreError
from infra.store.takeover import end_holder
from tests.house.files import ROOT
from tests.unit.infra.store.stores import a_store

HOLD = """
import sys
from pathlib import Path
from tests.unit.infra.store.stores import a_store
a_store(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_by_another(folder):
    words = [sys.executable, "-c", HOLD, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(words, cwd=ROOT, text=True, **pipes) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def name_as_holder(store, **changes):
    path = store.with_name("oncefill.db.lock")
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_nobody_is_killed_where_nobody_holds_the_lock(tmp_path):
    store = tmp_path / "oncefill.db"
    assert end_holder(store) is None

    a_store(tmp_path).close()

    assert end_holder(store) is None


@pytest.mark.slow
def test_the_holder_is_killed_and_its_store_is_free(tmp_path):
    with held_by_another(tmp_path) as other:
        assert end_holder(tmp_path / "oncefill.db") == other.pid

        assert other.wait(10) == -9
        a_store(tmp_path).close()


@pytest.mark.slow
def test_a_holder_that_cannot_be_proved_is_left_alone(tmp_path):
    store = tmp_path / "oncefill.db"
    with held_by_another(tmp_path) as other:
        name_as_holder(store, host="elsewhere")
        with pytest.raises(AccountLockedError, match="stop it there"):
            end_holder(store)
        name_as_holder(store, host=socket.gethostname(), pid=os.getppid())
        with pytest.raises(AccountLockedError, match="does not have it open"):
            end_holder(store)
        name_as_holder(store, pid=1)
        with pytest.raises(AccountLockedError, match="not one to be killed"):
            end_holder(store)
        store.with_name("oncefill.db.lock").write_text("half a")
        with pytest.raises(StoreError, match="cannot be found out"):
            end_holder(store)

        assert other.poll() is None


def test_an_engine_of_this_process_is_not_killed(tmp_path):
    with closing(a_store(tmp_path)), pytest.raises(AccountLockedError, match="not one to be"):
        end_holder(tmp_path / "oncefill.db")
