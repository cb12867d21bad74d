"""``run.py test``."""

import subprocess
import sys
from argparse import Namespace

import pytest

from domain.errors import OncefillError
from infra.cli.test import run


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "tests").mkdir()
    return tmp_path


def test_pytest_runs_in_this_python_and_gives_the_exit_code(checkout):
    called = []

    code = run(
        Namespace(cov=False, pytest=["-x"]),
        call=lambda command: called.append(command) or 5,
        root=checkout,
    )

    assert (code, called) == (5, [[sys.executable, "-m", "pytest", "-x"]])


@pytest.mark.parametrize(
    ("failing", "code"), [("pytest", 1), ("combine", 2), ("report", 3), ("nothing", 0)]
)
def test_with_coverage_any_failure_counts(checkout, failing, code):
    calls = []

    def call(command):
        calls.append(" ".join(command[2:]))
        return code if failing in command else 0

    assert run(Namespace(cov=True, pytest=[]), call=call, root=checkout) == code
    assert calls == [
        "coverage erase",
        "coverage run -m pytest",
        "coverage combine --quiet",
        "coverage report",
    ]


def test_it_is_started_in_the_checkout(checkout, monkeypatch):
    monkeypatch.setattr(subprocess, "call", lambda _command, cwd: int(cwd == checkout))

    assert run(Namespace(cov=False, pytest=[]), root=checkout) == 1


def test_where_the_tests_are_not_installed_it_says_so(tmp_path):
    with pytest.raises(OncefillError, match="in the source checkout only"):
        run(Namespace(cov=False, pytest=[]), root=tmp_path)
