"""Which store a command reads, and whether an engine runs on it."""

import json
import os
import socket
import subprocess
import sys

import pytest

from infra.cli.source import lock_holder

READERS = [
    ("orders",),
    ("order", "show", "x"),
    ("positions",),
    ("pnl",),
    ("audit", "verify"),
    ("audit", "show"),
]


@pytest.mark.parametrize("reader", READERS)
def test_without_a_store_it_is_said_in_one_line(perform, tmp_path, monkeypatch, reader):
    monkeypatch.chdir(tmp_path)

    assert perform(*reader) == (
        1,
        "",
        "oncefill: No store yet in .oncefill; run `python3 run.py demo` first\n",
    )


@pytest.mark.parametrize("reader", READERS)
def test_a_path_that_is_no_store_is_one_line(perform, tmp_path, reader):
    (tmp_path / "text.db").write_text("this is not a database" * 100)

    for path in ("nothing.db", "text.db"):
        code, out, err = perform(*reader, "--store", tmp_path / path)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert str(tmp_path / path) in err


def test_the_latest_run_is_read_unless_another_is_named(perform, stories, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    base = tmp_path / ".oncefill"
    base.mkdir()
    (base / "run-1").symlink_to(stories.parent)
    (base / "latest").write_text("run-1\n")

    shown = [perform(*argv, "--json") for argv in (("pnl",), ("pnl", "--store", stories.parent))]

    assert [json.loads(out)["total"]["realized_gross"] for _, out, _ in shown] == ["200000"] * 2
    assert json.loads(shown[0][1])["store"] == ".oncefill/run-1/oncefill.db"


@pytest.mark.parametrize("pointer", [None, "demo-gone"])
def test_without_a_latest_run_a_runners_own_store_is_read(
    perform, stories, tmp_path, monkeypatch, pointer
):
    monkeypatch.chdir(tmp_path)
    base = tmp_path / ".oncefill"
    base.mkdir()
    (base / "main").symlink_to(stories.parent)
    if pointer is not None:
        (base / "latest").write_text(pointer)

    code, out, err = perform("pnl", "--json")

    assert (code, err) == (0, "")
    assert json.loads(out)["store"] == ".oncefill/main/oncefill.db"


def named(path, **holder):
    values = {"pid": os.getpid(), "host": socket.gethostname(), "started_at": "x"} | holder
    path.with_name(path.name + ".lock").write_text(json.dumps(values))
    return lock_holder(path)


def test_a_holder_runs_only_while_it_has_the_lock_file_open(tmp_path):
    path = tmp_path / "oncefill.db"
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert lock_holder(path) is None
    assert named(path, pid=int(ended.stdout)).is_running is False
    assert named(path, pid=10**20).is_running is False
    assert named(path, host="elsewhere").is_running is None
    assert named(path).is_running is False
    with path.with_name("oncefill.db.lock").open():
        assert lock_holder(path).is_running is True


def test_a_lock_file_that_cannot_be_read_names_nobody(tmp_path):
    (tmp_path / "oncefill.db.lock").write_text("half a")

    assert lock_holder(tmp_path / "oncefill.db") is None
