"""The simulation as a command: there in a checkout, and said to be missing in a wheel."""

import pytest

from domain.errors import OncefillError
from infra.cli import simulate
from infra.cli.main import parse


def test_an_installed_wheel_says_where_the_simulation_is(tmp_path):
    with pytest.raises(OncefillError, match="source checkout only"):
        simulate.run(parse(["simulate"]), root=tmp_path)


def test_a_checkout_runs_it(capsys):
    args = parse(["simulate", "--seeds", "1", "--profile", "calm", "--json"])

    assert simulate.run(args) == 0
    assert '"days": 1' in capsys.readouterr().out
