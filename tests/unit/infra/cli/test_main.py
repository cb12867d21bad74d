"""The options of each command."""

import errno
import os
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from signal import SIGHUP, raise_signal

import pytest

from infra.cli.main import PIPE_CLOSED, guarded, parse
from tests.house.files import ROOT


def refused(capsys, *argv):
    with pytest.raises(SystemExit) as end:
        parse(argv)
    assert end.value.code == 2
    return capsys.readouterr().err


def test_without_a_command_it_shows_what_there_is(capsys):
    with pytest.raises(SystemExit) as end:
        parse([])

    shown = capsys.readouterr().out
    assert end.value.code == 0
    for name in ("demo", "replay", "orders", "positions", "pnl", "audit", "doctor", "bench"):
        assert f"\n    {name}" in shown


@pytest.mark.parametrize(
    "reader",
    [
        ("orders",),
        ("order", "show", "A"),
        ("positions",),
        ("pnl",),
        ("audit", "verify"),
        ("audit", "show"),
        ("doctor",),
    ],
)
def test_every_reader_takes_a_store_and_prints_json(reader):
    args = parse([*reader, "--store", "here", "--json"])

    assert (args.store, args.json) == (Path("here"), True)


def test_options_become_values():
    assert parse(["orders", "--status", "filled"]).status == "FILLED"
    assert parse(["pnl", "--day", "2023-01-02"]).day == date(2023, 1, 2)
    assert parse(["replay", "a.csv", "--cash", "1000.50"]).cash == Decimal("1000.50")
    assert parse(["audit", "show", "--after", "0"]).after == 0
    assert parse(["demo", "--seconds", "3"]).seconds == 3
    assert parse(["replay", "a.csv", "b.csv"]).prices == [Path("a.csv"), Path("b.csv")]


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (("dmeo",), "invalid choice: 'dmeo'"),
        (("demo", "--second", "3"), "unknown: --second 3"),
        (("demo", "--seconds", "0"), "'0' is not a whole number of at least 1"),
        (("demo", "--seed", "-1"), "'-1' is not a whole number of at least 0"),
        (("orders", "--status", "lost"), "invalid choice: 'LOST'"),
        (("order",), "required: action"),
        (("pnl", "--day", "yesterday"), "'yesterday' is not a day; write YYYY-MM-DD"),
        (("replay",), "PRICES"),
        (("replay", "a.csv", "--cash", "much"), "'much' is not an amount above zero"),
        (("replay", "a.csv", "--cash", "NaN"), "'NaN' is not an amount above zero"),
        (("replay", "a.csv", "--cash", "\u0661\u0662\u0663"), "is not an amount above zero"),
        (("replay", "a.csv", "--cash", "1_000"), "'1_000' is not an amount above zero: give a"),
        (("replay", "a.csv", "--cash", "-1"), "'-1' is not an amount above zero"),
        (("orders", "--limit", "9" * 20), "give at most 9223372036854775806"),
        (("orders", "--limit", "9" * 5000), "give at most 9223372036854775806"),
        (("orders", "--limit", str(2**63 - 1)), "give at most 9223372036854775806"),
        (("audit", "show", "--after", "9" * 20), "give at most 9223372036854775806"),
        (("audit", "show", "--stream", "\udcff"), "'\\udcff' is not text"),
        (("demo", "--seconds", "86401"), "give at most 86400"),
        (("replay", "a.csv", "--fast", "20"), "--fast must be smaller than --slow"),
    ],
)
def test_what_is_wrong_is_named(capsys, argv, problem):
    assert problem in refused(capsys, *argv)


@pytest.mark.parametrize(
    ("argv", "about"),
    [
        (("replay",), "Trade a strategy on prices from CSV files."),
        (("order",), "Show, place, cancel or resolve one order: order show ID."),
    ],
)
def test_help_keeps_capitals_where_they_belong(capsys, argv, about):
    with pytest.raises(SystemExit):
        parse([*argv, "--help"])

    assert about in capsys.readouterr().out


def test_what_follows_test_goes_to_pytest_in_its_order():
    args = parse(["test", "--cov", "-k", "a name", "tests/unit", "-x"])

    assert (args.cov, args.pytest) == (True, ["-k", "a name", "tests/unit", "-x"])


def ended(perform, redirect="", **options):
    """Run ``guarded(perform)`` in a shell's child with its output redirected."""
    program = (
        "import os, sys\n"
        "from infra.cli.main import guarded\n"
        f"raise SystemExit(guarded(lambda: {perform} or 0))\n"
    )
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -c "$1" {redirect}', sys.executable, program],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        check=False,
        **options,
    )


def test_a_reader_that_goes_away_ends_it_quietly():
    read, write = os.pipe()
    os.close(read)

    end = ended("print('x' * 100_000)", stdout=write)
    os.close(write)

    assert (end.returncode, end.stderr) == (PIPE_CLOSED, b"")


@pytest.mark.parametrize("redirect", [">&-", ">&- 2>&-", "2>&-"])
def test_outputs_that_the_caller_closed_are_no_failure(redirect):
    end = ended("print('x', file=sys.stderr) or print(sys.stdout.isatty())", redirect)

    assert end.returncode == 0
    assert end.stderr in {b"x\n", b""}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
@pytest.mark.parametrize("length", [1, 100_000])
def test_a_full_disk_under_the_output_is_one_line(length):
    end = ended(f"print('x' * {length})", "> /dev/full")

    assert end.returncode == 1
    assert end.stderr == (
        b"oncefill: The output cannot be written: No space left on device; send it elsewhere.\n"
    )


def test_an_error_of_another_file_is_not_hidden(tmp_path):
    with pytest.raises(FileNotFoundError):
        guarded((tmp_path / "nothing").read_text)


def test_a_terminal_that_goes_away_ends_it_by_its_signal(monkeypatch, tmp_path):
    def losing():
        try:
            raise_signal(SIGHUP)
        finally:
            raise OSError(errno.EIO, "Input/output error")

    with (tmp_path / "out").open("w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        code = guarded(losing)

    assert code == 128 + SIGHUP


HEAVY = ("sqlalchemy", "sqlmodel", "pydantic", "pykka", "rich", "structlog", "msgspec", "alembic")


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("--help",),
        ("demo", "--help"),
        ("serve", "--help"),
        ("export", "--help"),
        ("report", "--help"),
        ("config", "show", "--help"),
        ("db", "backup", "--help"),
        ("dmeo",),
    ],
)
def test_help_and_wrong_use_import_nothing_heavy(argv):
    program = (
        "import sys, run\n"
        "try:\n"
        "    run.main(sys.argv[1:])\n"
        "except SystemExit:\n"
        f"    print('heavy:', [name for name in {HEAVY} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *argv],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.splitlines()[-1] == "heavy: []"
