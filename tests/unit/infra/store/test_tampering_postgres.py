"""The drill on a server: it tampers with copies in schemas of their own, and leaves none behind."""

import json
import os
from contextlib import closing
from random import Random

import psycopg
import pytest

from domain.errors import StoreError
from infra.cli.main import command, parse
from infra.store.audit import verify
from infra.store.drill import drill
from infra.store.places import place_of
from infra.store.reading import open_reader
from tests.fakes_time import ManualClock
from tests.servers import somebody
from tests.unit.infra.cli.stories import open_house, tell_all
from tests.unit.infra.store.stores import a_store

TAMPERINGS = max(60, int(os.environ.get("TEST_TAMPERINGS", "1000")) // 10)
SCHEMAS = "SELECT nspname FROM pg_namespace ORDER BY nspname"


@pytest.fixture(scope="module")
def url(postgres, tmp_path_factory):
    """A day's store, its engine still running on it."""
    url = postgres.url()
    house = open_house(tmp_path_factory.mktemp("house"), url)
    tell_all(house)
    yield url
    house.engine.stop()


def trials(url, folder, count, seed=1):
    return drill(place_of(url), folder, count=count, random=Random(seed), clock=ManualClock())


def asked(url, question):
    with somebody(place_of(url)) as other:
        return other.execute(question).fetchall()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_tampering_is_found_and_the_store_is_as_it_was(url, tmp_path):
    schemas, journal = asked(url, SCHEMAS), asked(url, "SELECT * FROM journal ORDER BY seq")

    found = {trial.number: trial for trial in trials(url, tmp_path, TAMPERINGS)}

    assert len(found) == TAMPERINGS
    assert [trial for trial in found.values() if not trial.found_by] == []
    # Each way of tampering, and tables of more than one type.
    words = {trial.what.split(" ")[0] for trial in found.values()}
    assert words >= {"changed", "deleted", "inserted", "exchanged", "cut"}
    assert len({by for trial in found.values() for by in trial.found_by}) > 5
    assert asked(url, SCHEMAS) == schemas
    assert asked(url, "SELECT * FROM journal ORDER BY seq") == journal
    with open_reader(url) as reader:
        assert verify(reader).ok


def test_the_copies_are_taken_away_when_the_drill_is_broken_off(url, tmp_path):
    schemas = asked(url, SCHEMAS)

    with closing(trials(url, tmp_path, 3)) as some:
        next(some)
        assert len(asked(url, SCHEMAS)) == len(schemas) + 2

    assert asked(url, SCHEMAS) == schemas


def test_the_drill_wants_a_sound_store_with_orders(postgres, tmp_path):
    empty = postgres.url()
    a_store(None, url=empty).close()
    schemas = asked(empty, SCHEMAS)

    with pytest.raises(StoreError, match="holds no orders"):
        next(trials(empty, tmp_path, 1))

    assert asked(empty, SCHEMAS) == schemas


def test_who_may_not_make_schemas_is_told(url, tmp_path):
    with somebody(place_of(url)) as other:
        other.execute("CREATE ROLE reads LOGIN")
        schema = place_of(url).schema
        other.execute(f"GRANT USAGE ON SCHEMA {schema} TO reads")
        other.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reads")
    user = place_of(url).options["user"]

    with pytest.raises(StoreError, match="permission denied for database"):
        next(trials(url.replace(f"//{user}@", "//reads@"), tmp_path, 1))


def test_the_command_takes_a_url(url, capsys):
    words = ["audit", "drill", "--count", "3", "--store", url, "--json"]

    assert command("audit")(parse(words)) == 0

    said = json.loads(capsys.readouterr().out)
    assert (said["ok"], said["missed"]) == (True, [])
    with pytest.raises(psycopg.Error), somebody(place_of(url)) as other:
        other.execute("DELETE FROM journal")
