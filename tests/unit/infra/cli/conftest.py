"""A store with stories in it, and the commands run on it in this process."""

import json
import shutil
import sys

import pytest

from infra.cli.main import command, guarded, parse
from tests.unit.infra.cli.stories import open_house, tell_all


@pytest.fixture(scope="session")
def stories(tmp_path_factory):
    """The store as a killed engine leaves it: files copied while it ran."""
    folder = tmp_path_factory.mktemp("running")
    house = open_house(folder)
    tell_all(house)
    killed = tmp_path_factory.mktemp("killed")
    shutil.copytree(folder, killed, dirs_exist_ok=True)
    house.engine.stop()
    return killed / "oncefill.db"


@pytest.fixture
def own_stories(stories, tmp_path):
    """The same store, to be changed."""
    for file in stories.parent.glob("oncefill.db*"):
        # Some command may have moved the log of commits into the file.
        if file.name in ("oncefill.db", "oncefill.db-wal"):
            shutil.copy(file, tmp_path)
    return tmp_path / "oncefill.db"


@pytest.fixture
def perform(capsys):
    """Return a function that runs a command and gives its exit code, output and errors."""

    def run(*argv):
        capsys.readouterr()
        args = parse([str(each) for each in argv])
        code = guarded(lambda: command(args.command)(args))
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def lines(perform, stories):
    """Return a function that runs a command on the stories and gives its lines."""

    def run(*argv):
        code, out, err = perform(*argv, "--store", stories)
        assert (code, err) == (0, "")
        return out.splitlines()

    return run


@pytest.fixture
def answer(perform, stories):
    """Return a function that runs a command on the stories and gives its JSON."""

    def run(*argv, store=stories):
        code, out, err = perform(*argv, "--store", store, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)

    return run


@pytest.fixture
def terminal(capsys, monkeypatch):
    """Make standard output a terminal of a given width."""

    def widen(columns):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.delenv("NO_COLOR", raising=False)

    return widen
