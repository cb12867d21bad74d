"""The journals that the contract is held against: those on SQLite and PostgreSQL, and the fake."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from domain.ports import Journal
from tests.fakes import MemoryStore
from tests.fakes_time import ManualClock
from tests.unit.infra.store.stores import a_store


@dataclass
class House:
    """A store of some kind: ``journal`` begins a new epoch, ``reopen`` is another process."""

    journal: Callable[[], Any]
    reopen: Callable[[], Any]


@pytest.fixture(params=["sqlite", "postgres", "memory"])
def house(request, tmp_path: Path) -> Iterator[House]:
    if request.param == "memory":
        memory = MemoryStore(clock=ManualClock())
        yield House(journal=memory.journal, reopen=memory.journal)
        return
    url = None
    if request.param == "postgres":
        url = request.getfixturevalue("postgres").url()
    opened = [a_store(tmp_path, url=url)]

    def reopen():
        opened[-1].close()
        opened.append(a_store(tmp_path, url=url))
        return opened[-1].journal()

    yield House(journal=opened[0].journal, reopen=reopen)
    opened[-1].close()


@pytest.fixture
def journal(house: House) -> Journal:
    return house.journal()
