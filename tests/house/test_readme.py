"""The commands of the README are run as written."""

import os
import re
import shlex
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta

import pytest

from infra.cli.main import parse
from tests.house.files import ROOT

STARTS = (["python3", "run.py"], ["uv", "run", "run.py"])


def readme():
    path = ROOT / "README.md"
    assert path.exists(), "README.md is missing"
    return path.read_text()


def commands(text):
    """Return what follows run.py in each command of the shell blocks."""
    found = []
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            found += [words[len(start) :] for start in STARTS if words[: len(start)] == start]
    return found


def run(words, folder):
    return subprocess.run(
        [sys.executable, str(ROOT / "run.py"), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_commands_are_found_in_shell_blocks_only():
    text = "```sh\n$ python3 run.py demo  # trades\nls\nuv run run.py orders --json\n```\n"

    assert commands(text) == [["demo"], ["orders", "--json"]]
    assert commands("```python\npython3 run.py demo\n```\n") == []


def is_a_command(words):
    try:
        parse(words)
    except SystemExit as end:
        # Without a command, and with --help, it shows what there is.
        return end.code == 0
    return True


def test_every_command_of_the_readme_is_one_that_exists():
    shown = commands(readme())

    assert ["demo"] in shown
    assert ["test"] in shown
    assert [words for words in shown if not is_a_command(words)] == []
    assert not is_a_command(["dmeo"])


def write_prices(path):
    """Sixty days that rise and fall often enough for a crossover to trade."""
    rows = ["date,symbol,open,high,low,close,volume"]
    day = date(2023, 3, 2)
    for number in range(60):
        while day.weekday() > 4:
            day += timedelta(days=1)
        px = 60_000 + 500 * abs(number % 24 - 12)
        rows.append(f"{day},005930,{px},{px + 200},{px - 200},{px + 100},1000000")
        day += timedelta(days=1)
    path.write_text("\n".join(rows))


@pytest.mark.slow
def test_the_ten_lines_of_a_runner_run_as_written(tmp_path):
    (block,) = re.findall(r"^```python\n(.*?)^```", readme(), re.MULTILINE | re.DOTALL)
    (tmp_path / "runner.py").write_text(block)

    done = subprocess.run(
        [sys.executable, "runner.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert "order.created" in done.stdout
    assert len([line for line in block.splitlines() if line]) <= 10


@contextmanager
def serving(words, folder):
    """Run a command that goes on until it is told to end; it must end well."""
    command = [sys.executable, str(ROOT / "run.py"), *words]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline().startswith("Ready")
            yield
        finally:
            process.terminate()
            process.communicate(timeout=60)  # Its last words; a closed pipe would be an error.
    assert process.returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_commands_of_the_readme_run_as_written(tmp_path):
    write_prices(tmp_path / "prices.csv")
    shown = [words for words in commands(readme()) if words and words[0] != "test"]

    with ExitStack() as served:
        for words in shown:
            if words[0] == "serve":
                served.enter_context(serving(words, tmp_path))
                continue
            done = run(words, tmp_path)
            assert done.returncode == 0, (words, done.stdout[-2000:], done.stderr[-2000:])
