"""The options of each command."""

import os
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from infra.cli.main import PIPE_CLOSED, parse
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
        (("replay", "a.csv", "--fast", "20"), "--fast must be smaller than --slow"),
    ],
)
def test_what_is_wrong_is_named(capsys, argv, problem):
    assert problem in refused(capsys, *argv)


def test_what_follows_test_goes_to_pytest_in_its_order():
    args = parse(["test", "--cov", "-k", "a name", "tests/unit", "-x"])

    assert (args.cov, args.pytest) == (True, ["-k", "a name", "tests/unit", "-x"])


def test_a_reader_that_goes_away_ends_it_quietly():
    program = (
        "from infra.cli.main import guarded\n"
        "raise SystemExit(guarded(lambda: print('x' * 100_000) or 0))\n"
    )
    read, write = os.pipe()
    os.close(read)

    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)

    assert (ended.returncode, ended.stderr) == (PIPE_CLOSED, b"")
