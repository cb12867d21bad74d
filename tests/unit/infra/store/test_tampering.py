"""A real day's store, tampered with by chance: the audit finds all of it, a start trusts nothing.

``TEST_TAMPERINGS`` and ``TEST_FLIPS`` make the campaigns longer or shorter; ``audit drill``
does the first on any store.
"""

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from random import Random

import pytest

from domain.errors import StoreError
from domain.journal import LoadBook, LoadFills, LoadOpenOrders, LoadRecords
from infra.store.audit import verify
from infra.store.drill import drill
from infra.store.reading import open_reader
from tests.fakes_time import ManualClock
from tests.unit.infra.cli.stories import open_house, tell_all
from tests.unit.infra.store.stores import a_store, ask

TAMPERINGS = int(os.environ.get("TEST_TAMPERINGS", "1000"))
FLIPS = int(os.environ.get("TEST_FLIPS", "60"))


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """Two folders: the store as a killed engine leaves it, and after an ordered end."""
    running, killed, ended = map(tmp_path_factory.mktemp, ("running", "killed", "ended"))
    house = open_house(running)
    tell_all(house)
    for file in running.glob("oncefill.db*"):
        shutil.copy(file, killed)
    house.engine.stop()
    for file in running.glob("oncefill.db*"):
        shutil.copy(file, ended)
    return killed, ended


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_tampering_is_found(day, tmp_path):
    _, ended = day

    trials = drill(
        ended / "oncefill.db", tmp_path, count=TAMPERINGS, random=Random(1), clock=ManualClock()
    )
    found = {trial.number: trial.found_by for trial in trials}

    assert len(found) == TAMPERINGS
    assert [number for number, by in found.items() if not by] == []
    with open_reader(ended / "oncefill.db") as reader:
        assert verify(reader).ok


def test_the_drill_wants_a_sound_store_with_orders(tmp_path):
    a_store(tmp_path / "empty").close()

    with pytest.raises(StoreError, match="holds no orders"):
        next(
            drill(tmp_path / "empty" / "oncefill.db", tmp_path, count=1, random=Random(1), clock=0)
        )


def content(folder: Path):
    """All rows and descriptions, read by nobody's code but SQLite's; None when it cannot."""
    copy = folder.with_name(f"{folder.name}-copy")
    shutil.copytree(folder, copy)
    with suppress(sqlite3.Error, UnicodeDecodeError), closing(connected(copy)) as raw:
        return list(raw.iterdump())


def connected(folder):
    return sqlite3.connect(folder / "oncefill.db")


def flip(folder, random, names):
    file = folder / random.choice([name for name in names if (folder / name).stat().st_size])
    whole = bytearray(file.read_bytes())
    at = random.randrange(len(whole))
    for place in range(at, min(at + random.choice((1, 1, 8, 64)), len(whole))):
        whole[place] ^= random.randrange(1, 256)
    file.write_bytes(whole)
    return f"{file.name} from byte {at}"


def starts(folder):
    """Open the store for trading and read what an engine would; False when that is refused."""
    try:
        with closing(a_store(folder)) as store:
            journal = store.journal()
            for query in (LoadOpenOrders(), LoadBook(), LoadFills(0), LoadRecords(0)):
                ask(journal, query)
    except StoreError:
        return False
    return True


def is_green(folder):
    try:
        with open_reader(folder / "oncefill.db") as reader:
            return verify(reader).ok
    except StoreError:
        return False


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("end", ["killed", "ended"])
def test_flipped_bytes_are_refused_or_found_or_matter_to_nobody(day, tmp_path, end):
    source = day[end == "ended"]
    shutil.copytree(source, tmp_path / "whole")
    whole, random, unseen = content(tmp_path / "whole"), Random(7), []
    assert whole is not None
    names = [
        file.name for file in source.iterdir() if file.name in ("oncefill.db", "oncefill.db-wal")
    ]

    for number in range(FLIPS):
        folder = tmp_path / str(number)
        shutil.copytree(source, folder)
        what = flip(folder, random, names)
        is_same = content(folder) == whole
        if starts(folder) and is_green(folder) and not is_same:
            unseen.append(what)

    assert unseen == []


def test_an_untouched_copy_starts_and_is_green(day, tmp_path):
    for number, source in enumerate(day):
        shutil.copytree(source, tmp_path / str(number))

        assert starts(tmp_path / str(number))
        assert is_green(tmp_path / str(number))


def test_an_open_order_whose_row_was_changed_is_not_gone_on_with(tmp_path, day):
    _, ended = day
    shutil.copytree(ended, tmp_path / "store")
    with closing(connected(tmp_path / "store")) as raw, raw:
        raw.execute("DROP TRIGGER journal_no_update")
        raw.execute(
            "UPDATE journal SET topics = 'order.y' WHERE stream IN "
            "(SELECT 'order/' || client_order_id FROM orders WHERE is_open)"
        )

    assert not starts(tmp_path / "store")


def test_a_store_that_says_something_else_about_itself_is_refused(tmp_path, day):
    _, ended = day
    shutil.copytree(ended, tmp_path / "store")
    with closing(connected(tmp_path / "store")) as raw, raw:
        raw.execute("UPDATE meta SET value = '7' WHERE key = 'epoch'")

    with pytest.raises(StoreError, match="what it says about itself"):
        a_store(tmp_path / "store")
