"""The commands of the README are run as written."""

import json
import re
import shlex
import subprocess
import sys

import pytest

from infra.cli.main import parse
from tests.house.files import ROOT

STARTS = (["python3", "run.py"], ["uv", "run", "run.py"])
RUN_HERE = ("orders", "order", "positions", "pnl", "audit", "doctor")
DEMO = ["demo", "--seconds", "3"]


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
        timeout=60,
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


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_readers_of_the_readme_work_after_a_demo(tmp_path):
    shown = [words for words in commands(readme()) if words and words[0] in RUN_HERE]
    demo = run(DEMO, tmp_path)
    assert demo.returncode == 0, demo.stderr
    an_order = json.loads(run(["orders", "--json", "--limit", "1"], tmp_path).stdout)

    for words in shown:
        if words[:2] == ["order", "show"]:
            first = an_order[0] if isinstance(an_order, list) else an_order["orders"][0]
            words[2] = first["client_order_id"]
        done = run(words, tmp_path)
        assert done.returncode == 0, (words, done.stderr)
        if "--json" in words:
            json.loads(done.stdout)
