"""How Oncefill sets itself up; venv and pip are played by a fake, nothing is installed."""

import fcntl
import json
import os
import sys
import threading
from pathlib import Path

import pytest

from infra.cli import bootstrap
from infra.cli.bootstrap import SetupError, missing, only_one, prepare, run_command

ABSENT = "surely-not-installed>=1"
PROJECT = """
[project]
dependencies = ["{runtime}"]
[dependency-groups]
dev = ["{dev}"]
"""


class ExecutedError(Exception):
    """The process was replaced."""


class Pip:
    """Plays venv and pip, and remembers what was asked of them."""

    def __init__(self, venv, *, fails=""):
        self.venv = venv
        self.fails = fails
        self.calls = []

    def __call__(self, command, told):
        tool = command[2]
        self.calls.append([tool, *command[3:]])
        told("Collecting something")
        told("")
        if tool == self.fails:
            told("ERROR: no route to host")
            return 1
        if tool == "venv":
            (self.venv / "bin").mkdir(parents=True, exist_ok=True)
            (self.venv / "lib/python3/site-packages/pip").mkdir(parents=True, exist_ok=True)
            python = self.venv / "bin/python"
            python.unlink(missing_ok=True)
            python.symlink_to(sys.executable)
        return 0

    @property
    def tools(self):
        return [tool for tool, *_ in self.calls]


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.delenv("ONCEFILL_STARTS", raising=False)
    (tmp_path / "pyproject.toml").write_text(PROJECT.format(runtime=ABSENT, dev="also-absent"))
    (tmp_path / "constraints.txt").write_text("surely-not-installed==1.0\n")
    return tmp_path


@pytest.fixture
def pip(root):
    return Pip(root / ".venv")


def start(root, pip, *, dev=False):
    """Start as ``python3 run.py demo --seed 1`` does; return the command that replaces it."""
    executed = []

    def execute(path, command):
        executed.append((path, *command))
        raise ExecutedError

    with pytest.raises(ExecutedError):
        prepare(root / "run.py", ["demo", "--seed", "1"], dev=dev, run=pip, execute=execute)
    os.environ.pop("ONCEFILL_STARTS")
    return executed[0]


def inside(root, monkeypatch):
    """Let the running Python be the one of .venv."""
    monkeypatch.setattr(sys, "prefix", str(root / ".venv"))


def test_a_first_start_makes_the_environment_and_starts_again_in_it(root, pip, capsys):
    python = str(root / ".venv/bin/python")

    executed = start(root, pip)

    assert executed == (python, python, str(root / "run.py"), "demo", "--seed", "1")
    assert pip.tools == ["venv", "pip"]
    assert pip.calls[1][-3:] == ["-c", str(root / "constraints.txt"), ABSENT]
    assert "sets itself up in .venv: once" in capsys.readouterr().err


def test_a_second_start_installs_nothing(root, pip, capsys):
    start(root, pip)
    capsys.readouterr()
    pip.calls.clear()

    start(root, pip)

    assert pip.calls == []
    assert capsys.readouterr().err == ""


def test_the_tests_need_more_packages_which_are_kept(root, pip):
    start(root, pip)
    start(root, pip, dev=True)
    start(root, pip)

    assert pip.tools == ["venv", "pip", "pip"]
    assert pip.calls[2][-2:] == [ABSENT, "also-absent"]


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_change_of_the_requirements_is_installed(root, pip, name, capsys):
    start(root, pip)
    with (root / name).open("a") as file:
        file.write("# changed\n")

    start(root, pip)

    assert pip.tools == ["venv", "pip", "pip"]
    assert "up to date" in capsys.readouterr().err


def test_an_environment_whose_making_was_cut_short_is_made_anew(root, pip):
    pip.fails = "pip"
    with pytest.raises(SetupError):
        prepare(root / "run.py", [], dev=False, run=pip)
    pip.fails = ""

    start(root, pip)

    assert pip.tools == ["venv", "pip", "venv", "pip"]


def damage_stamp(venv):
    (venv / ".oncefill.json").write_text("{")


def remove_python(venv):
    (venv / "bin/python").unlink()


def change_python(venv):
    remove_python(venv)
    (venv / "bin/python").symlink_to("/bin/sh")


def remove_pip(venv):
    (venv / "lib/python3/site-packages/pip").rmdir()
    stamp = venv / ".oncefill.json"
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "files": "other"}))


@pytest.mark.parametrize("damage", [damage_stamp, remove_python, change_python, remove_pip])
def test_a_broken_environment_is_made_anew(root, pip, damage):
    start(root, pip)
    damage(root / ".venv")
    pip.calls.clear()

    start(root, pip)

    assert pip.tools == ["venv", "pip"]


def test_a_python_that_has_the_packages_is_used_as_it_is(root, pip):
    (root / "pyproject.toml").write_text(PROJECT.format(runtime="pytest>=1", dev="x"))

    prepare(root / "run.py", ["demo"], dev=False, run=pip)

    assert pip.calls == []
    assert not (root / ".venv").exists()


def test_inside_the_environment_a_change_is_installed_first(root, pip, monkeypatch):
    (root / "pyproject.toml").write_text(PROJECT.format(runtime="pytest", dev="coverage"))
    pip(["", "", "venv"], lambda _line: None)
    inside(root, monkeypatch)
    prepare(root / "run.py", [], dev=False, run=pip)
    (root / ".venv/.oncefill.json").write_text('{"files": "other"}')

    start(root, pip)

    assert pip.tools[-1] == "pip"
    prepare(root / "run.py", [], dev=False, run=pip)


def test_inside_the_environment_a_lost_package_is_installed_again(root, pip, monkeypatch):
    start(root, pip)
    inside(root, monkeypatch)

    start(root, pip)

    assert pip.tools == ["venv", "pip", "pip"]


def test_an_environment_that_is_never_used_does_not_start_again_for_ever(root, pip, monkeypatch):
    monkeypatch.setenv("ONCEFILL_STARTS", "2")

    with pytest.raises(SetupError, match="Unset PYTHONHOME"):
        prepare(root / "run.py", [], dev=False, run=pip)


@pytest.mark.parametrize(
    ("tool", "advice"), [("venv", "Python could not make .venv"), ("pip", "Check the network")]
)
def test_a_failure_shows_the_last_lines_and_says_what_to_do(root, pip, tool, advice, capsys):
    pip.fails = tool

    with pytest.raises(SetupError, match=advice):
        prepare(root / "run.py", [], dev=False, run=pip)

    assert "  ERROR: no route to host\n" in capsys.readouterr().err


def test_a_python_without_venv_is_told_which_package_to_install(root, pip, monkeypatch):
    monkeypatch.setattr(bootstrap, "find_spec", lambda name: None if name == "ensurepip" else 1)

    with pytest.raises(SetupError, match=r"sudo apt install python3\.\d+-venv"):
        prepare(root / "run.py", [], dev=False, run=pip)


def test_a_folder_that_cannot_be_written_is_named(root, pip, monkeypatch):
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)

    with pytest.raises(SetupError, match="copy Oncefill to a folder of your own"):
        prepare(root / "run.py", [], dev=False, run=pip)


def test_a_terminal_sees_which_package_is_on_its_way(root, pip, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)

    start(root, pip)

    assert "\r  something" in capsys.readouterr().err


def test_two_at_once_wait_for_each_other(root, capsys):
    holder = os.open(root, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    entered = threading.Event()

    def second():
        with only_one(root):
            entered.set()

    waiting = threading.Thread(target=second)
    waiting.start()
    assert not entered.wait(0.05)
    os.close(holder)
    waiting.join()

    assert entered.is_set()
    assert "waiting for it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("requirement", "is_met"),
    [
        ("pytest", True),
        ("PyTest>=1,<99", True),
        ("pytest-timeout >= 2.0", True),
        ("pytest<1", False),
        ("pytest!=1.0", True),
        ("pytest>=99", False),
        ("pytest==1", False),
        ("pytest~=9", False),
        ("pytest; python_version<'3'", False),
        ("surely-not-installed", False),
    ],
)
def test_a_requirement_is_met_by_name_and_version(requirement, is_met):
    assert missing([requirement]) == ([] if is_met else [requirement])


def test_zeros_at_the_end_of_a_version_do_not_count(monkeypatch):
    monkeypatch.setattr(bootstrap, "version", lambda _name: "4.5")

    assert missing(["pykka>=4.5.0", "pykka==4.5.0.0", "pykka<4.10"]) == []


def test_a_command_is_run_and_its_lines_are_told():
    lines = []

    code = run_command(
        [sys.executable, "-c", "import sys; print('a\\nb', flush=True); sys.exit('c')"],
        lines.append,
    )

    assert code == 1
    assert lines == ["a", "b", "c"]


def test_the_real_project_can_be_read():
    setup = bootstrap.Setup(root=Path(bootstrap.__file__).parents[2], dev=True, run=run_command)

    assert missing(setup.requirements()) == []
