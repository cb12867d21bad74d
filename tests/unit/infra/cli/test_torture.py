"""The torture as a command: there in a checkout, and said to be missing in a wheel."""

import json

import pytest

from domain.errors import OncefillError
from infra.cli import torture
from infra.cli.main import parse


def test_an_installed_wheel_says_where_the_torture_is(tmp_path):
    with pytest.raises(OncefillError, match="source checkout only"):
        torture.run(parse(["torture"]), root=tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_checkout_runs_it(capsys):
    assert torture.run(parse(["torture", "--kills", "1", "--json"])) == 0

    said = json.loads(capsys.readouterr().out)
    assert said["problems"] == []
    assert said["broker_orders"] > 0
