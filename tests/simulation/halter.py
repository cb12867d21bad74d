"""A person who halts trading and lets it go on, with the product's own commands, files and guard.

The engines' journal is in memory, and halts are files: so a small store lies in a folder, in which
only halts are written down and the epoch is kept. Nothing in it takes virtual time.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from domain.errors import InvalidInputError
from domain.events import Proof, SubmitFailed
from domain.halt import ACCOUNT, Halted, HaltKind, HaltScope, Resumed
from domain.settings import PAPER
from infra.store.folders import STORE_FILE
from infra.store.gate import alone, gate_path
from infra.store.guard import StoreGuard
from infra.store.halt_file import halt_file
from infra.store.halts import CALLS_END_S, lift_halt, set_halt, shut
from infra.store.store import open_store
from tests.fakes import MemoryJournal, MemoryProcess, MemoryStore
from tests.fakes_time import ManualClock
from tests.simulation.oracle import ViolationError
from tests.simulation.schedule import STRATEGIES, SYMBOLS

QUIET_LOOK_S = 0.05
# Where commits wait for no disk, if there is such a place.
_SHM = Path("/dev", "shm")
MEMORY = _SHM if os.access(_SHM, os.W_OK | os.X_OK) else None
SCOPES = (
    ACCOUNT,
    *(HaltScope(kind=HaltKind.STRATEGY, name=name) for name in STRATEGIES if name),
    *(HaltScope(kind=HaltKind.SYMBOL, name=name) for name in SYMBOLS),
)


class Halter:
    """Sets and lifts halts, and sees that none is passed by.

    Args:
        day: Whose timeline, clock and orders these are.
        halts: How many; without any there is no folder, and the guard is the memory store's.
        random: Says when, what and for how long.

    Attributes:
        in_force: The scopes halted now; True once no call of before goes on.
    """

    def __init__(self, day: Any, halts: int, random: Random) -> None:
        self.in_force: dict[HaltScope, bool] = {}
        self._day = day
        self._halts = halts
        self._random = random
        self.folder = _folder().name if halts else ""
        self._path = Path(os.path.realpath(self.folder)) / STORE_FILE
        day.oracle.unhashed = self.folder
        if halts:
            self._clear()
            self._path.write_bytes(_empty_store())

    def prepare(self) -> None:
        """Draw when trading is halted, and when it goes on."""
        for _ in range(self._halts):
            halt_s = self._random.random() * self._day.weather.span_s * 1.2
            scope = self._random.choice(SCOPES)
            for_s = self._random.choice((0.3, 2.0, 8.0)) * (0.5 + self._random.random())
            self._day.timeline.push(halt_s, self._halting(scope))
            self._day.timeline.push(halt_s + for_s, lambda scope=scope: self.resume(scope))

    def store_of(self, store: MemoryStore) -> MemoryProcess:
        """Return what a new process opens."""
        return HaltedProcess(store, self._path) if self._halts else MemoryProcess(store)

    def begins(self, request: Any) -> None:
        """Look at a placement that begins."""
        self._refuse(request, "begins", *self.in_force)

    def leaves(self, request: Any) -> None:
        """Look at a placement that leaves: its call began before, and the halt waits for that."""
        quiet = (scope for scope, is_quiet in self.in_force.items() if is_quiet)
        self._refuse(request, "leaves", *quiet)

    def resume(self, scope: HaltScope) -> None:
        """Let the orders of a scope go on; nothing happens when they do already."""
        resumed = Resumed(scope=scope, reason="go on", requested_by="sim", at=self._day.clock.now())
        with suppress(InvalidInputError):
            lift_halt(self._path, resumed, clock=self._day.clock)
            self._day.note("", f"{scope} goes on")
        self.in_force.pop(scope, None)

    def resume_all(self) -> None:
        """Let all orders go on."""
        for scope in tuple(self.in_force):
            self.resume(scope)

    def close(self) -> None:
        """Leave the folder empty; count the attempts that were held back."""
        if self._halts:
            events = (record.event for record in self._day.store.records)
            held = (isinstance(each, SubmitFailed) and each.proof is Proof.HELD for each in events)
            self._day.counts["held"] += sum(held)
            self._clear()

    def _clear(self) -> None:
        for path in Path(self.folder).iterdir():
            path.unlink()

    def _refuse(self, request: Any, what: str, *scopes: HaltScope) -> None:
        known = request.client_order_id
        signal = self._day.oracle.signals[known]
        for scope in scopes:
            # Not by the product's own word for it.
            if not scope.name or scope.name in (signal.strategy_id, signal.symbol):
                raise ViolationError("halt", f"a placement {what} after {scope} was halted", known)

    def _halting(self, scope: HaltScope) -> Callable[[], None]:
        return lambda: self._halt(scope)

    def _halt(self, scope: HaltScope) -> None:
        if self._day.is_healed:
            return
        self._day.counts["halts"] += 1
        clock = self._day.clock
        halted = Halted(scope=scope, reason="storm", requested_by="sim", at=clock.now())
        way = self._random.random()
        if way < 0.25:
            # The command ends between file and journal, or the journal cannot be written.
            _, is_quiet, _ = shut(self._path, halted, 0.0)
        else:
            is_quiet = set_halt(self._path, halted, clock=clock, wait_s=0.0).is_quiet
        if way > 0.75:
            halt_file(self._path).unlink()  # The journal knows.
        self._day.note("", f"{scope} is halted, quiet={is_quiet}")
        self.in_force[scope] = is_quiet
        if is_quiet and self._random.random() < 0.3:
            self._hang()
        if not is_quiet:
            self._wait_for_calls(scope, self._day.timeline.now_s + CALLS_END_S)

    def _hang(self) -> None:
        """Stop the command while it has the gate for itself."""
        stack = ExitStack()
        if stack.enter_context(alone(gate_path(self._path), 0.0)):
            self._day.timeline.push(self._random.random(), stack.close)

    def _wait_for_calls(self, scope: HaltScope, until_s: float) -> None:
        if scope not in self.in_force or self._day.timeline.now_s > until_s:
            return
        with alone(gate_path(self._path), 0.0) as is_quiet:
            self.in_force[scope] = is_quiet
        if not is_quiet:
            self._day.timeline.push(QUIET_LOOK_S, lambda: self._wait_for_calls(scope, until_s))


class HaltedProcess(MemoryProcess):
    """domain.ports.Store of one process: a journal in memory, and the real guard beside it."""

    def __init__(self, store: MemoryStore, path: Path) -> None:
        super().__init__(store)
        self._path = path

    def journal(self) -> MemoryJournal:
        """Return a new journal; guards of earlier ones say no from here on."""
        journal = super().journal()
        with closing(sqlite3.connect(self._path)) as connection, connection:
            connection.execute("UPDATE meta SET value = ? WHERE key = 'epoch'", (str(self.epoch),))
        return journal

    def guard(self) -> StoreGuard:
        """Return the guard of the latest journal made here."""
        guard = StoreGuard(path=self._path, epoch=self.epoch)
        self._opened.append(guard)
        return guard


@cache
def _folder() -> TemporaryDirectory[str]:
    """Return where one day after the other has its store: what is kept by path serves them all."""
    return TemporaryDirectory(prefix="oncefill-days-", dir=MEMORY)


@cache
def _empty_store() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / STORE_FILE
        open_store(path, account_id=PAPER, clock=ManualClock()).close()
        return path.read_bytes()
