"""The journals that the contract is held against: those on SQLite and PostgreSQL, and the fake."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from domain.ports import Journal
from tests.fakes import MemoryProcess, MemoryStore
from tests.fakes_time import ManualClock
from tests.unit.infra.store.stores import a_store


@dataclass
class House:
    """A store of some kind: ``journal`` begins a new epoch, ``reopen`` is another process."""

    journal: Callable[[], Any]
    reopen: Callable[[], Any]
    guard: Callable[[], Any]
    close: Callable[[], None]


@pytest.fixture(params=["sqlite", "postgres", "memory"])
def house(request, tmp_path: Path) -> Iterator[House]:
    if request.param == "memory":
        memory = MemoryStore(clock=ManualClock())
        yield _house([MemoryProcess(memory)], lambda: MemoryProcess(memory))
        return
    url = None
    if request.param == "postgres":
        url = request.getfixturevalue("postgres").url()
    opened = [a_store(tmp_path, url=url)]
    yield _house(opened, lambda: a_store(tmp_path, url=url))
    opened[-1].close()


def _house(opened: list[Any], again: Callable[[], Any]) -> House:
    def reopen():
        opened[-1].close()
        opened.append(again())
        return opened[-1].journal()

    return House(
        journal=opened[0].journal,
        reopen=reopen,
        guard=opened[0].guard,
        close=opened[0].close,
    )


@pytest.fixture
def journal(house: House) -> Journal:
    return house.journal()
