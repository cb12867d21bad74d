"""What run.py does before any package is there, and how a command ends."""

import ast
import sys
from pathlib import Path

import pytest

import run
from domain.errors import InvalidInputError, OncefillError
from domain.settings import Settings
from domain.signal import Cancel, Signal

SOURCE = Path(run.__file__).read_text()


@pytest.fixture
def perform(monkeypatch):
    """Return a function that runs ``main`` with a command of the test's own in place of doctor."""

    def main(command, *options):
        monkeypatch.setitem(run.COMMANDS, "doctor", command)
        return run.main(["doctor", *options])

    return main


def raiser(error):
    def command(_args):
        raise error

    return command


def test_an_old_python_can_read_run_py():
    ast.parse(SOURCE, feature_version=(3, 7))


def test_the_top_level_imports_only_the_standard_library():
    tops = {
        (node.module or "").split(".")[0]
        if isinstance(node, ast.ImportFrom)
        else node.names[0].name
        for node in ast.parse(SOURCE).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    }

    assert tops <= sys.stdlib_module_names


@pytest.mark.parametrize("version", [(3, 8, 18), (3, 10, 13)])
def test_an_old_python_is_told_what_to_install(version):
    problem = run.unfit(version, "posix")

    assert problem.startswith(f"Oncefill needs Python 3.11 or newer; this is {version[0]}.")
    assert sys.executable in problem
    assert "\n" not in problem


def test_a_system_that_is_not_supported_is_named():
    assert "Windows" in run.unfit((3, 11, 0), "nt")
    assert run.unfit((3, 11, 0), "posix") is None


def test_main_ends_with_2_where_it_cannot_run(monkeypatch, capsys):
    monkeypatch.setattr(run, "OLDEST_PYTHON", (99, 0))

    code = run.main(["demo"])

    assert code == 2
    assert "needs Python 99.0" in capsys.readouterr().err


def test_a_runner_imports_everything_from_here():
    assert (run.Signal, run.Cancel, run.Settings) == (Signal, Cancel, Settings)
    assert callable(run.start_engine)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = run.Nothing


def test_a_command_gets_its_options_and_gives_the_exit_code(perform):
    seen = []

    code = perform(lambda args: seen.append(args.json) or 7, "--json")

    assert (code, seen) == (7, [True])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OncefillError("the store is gone; restore it"), 1),
        (InvalidInputError("limit_px", "is not on the tick"), 2),
    ],
)
def test_an_error_raised_on_purpose_is_one_line(perform, capsys, error, code):
    assert perform(raiser(error)) == code
    assert capsys.readouterr().err == f"oncefill: {error}\n"


def test_ctrl_c_ends_with_130_and_says_nothing(perform, capsys):
    assert perform(raiser(KeyboardInterrupt())) == 130
    assert capsys.readouterr() == ("", "")


def test_a_bug_is_not_hidden(perform):
    with pytest.raises(ZeroDivisionError):
        perform(raiser(ZeroDivisionError()))


def test_readers_are_loaded_by_their_name(monkeypatch):
    monkeypatch.setattr("infra.cli.test.run", lambda args: len(args.pytest))

    assert run.main(["test", "-k", "a name", "tests/unit"]) == 3
