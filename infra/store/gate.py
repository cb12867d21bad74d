"""The gate between halts and orders: an OS lock, shared by calls, taken alone by who halts.

The system lets go of it when a process ends, however it ends; a stopped process keeps it. On
PostgreSQL the lock is an advisory one: postgres_halts.py.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock
from time import monotonic
from typing import Any, Final

from domain.errors import NotSentError, StoreError
from domain.halt import Halted, HaltScope
from infra.store.dialect import Probe, StoreFile
from infra.store.drivers import Passage
from infra.store.folders import beside
from infra.store.halt_file import halt_file, halts_in, open_halt_file
from infra.store.halt_rows import LOOK

# Path.stat takes twice as long, and every order asks.
_stat: Final = os.stat
_POLL_S: Final = 0.005
_MODE: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


def gate_path(store: Path) -> Path:
    """Return the lock file that stands between orders and halts."""
    return beside(store, ".gate")


class FileGate:
    """infra.store.drivers.Gate of a store in a file: a lock and a file of halts beside it."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._file = StoreFile(store)
        self._turnstile = _Turnstile(store)
        self._noted = _NotedHalts(store)
        self._probe: Probe | None = None
        self._is_closed = False
        self._lock = Lock()

    def enter(self) -> Passage:
        """Hold the gate open for one call, then look at the store."""
        held = self._turnstile.enter()
        try:
            return self._look(held)
        except BaseException:
            self._turnstile.leave(held)
            raise

    def read(self, statement: str) -> list[Any]:
        """Return the rows that ``statement`` finds."""
        with self._lock:
            return self._opened().read(statement)

    def leave(self, passage: Passage) -> None:
        """The call has ended."""
        self._turnstile.leave(passage.held)

    def close(self) -> None:
        """Let go of the files; every later look says no."""
        with self._lock:
            self._is_closed = True
            if self._probe is not None:
                self._probe.close()
            self._noted.close()
        self._turnstile.close()

    def _look(self, held: int) -> Passage:
        if fault := self._file.fault():
            msg = f"Not sent: {fault}; put the right file back and restart the engine."
            raise NotSentError(msg)
        with self._lock:
            ((epoch, rows),) = self._opened().read(LOOK)
            return Passage(held, int(epoch), rows or 0, self._noted.look())

    def _opened(self) -> Probe:
        if self._is_closed:
            msg = "the guard is closed"
            raise StoreError(msg)
        self._probe = self._probe or Probe(self._store)
        return self._probe


@contextmanager
def alone(path: Path, wait_s: float) -> Iterator[bool]:
    """Take the lock of a file alone; gives False when others hold it for longer than ``wait_s``."""
    until_s = monotonic() + wait_s
    descriptor = os.open(path, _MODE, 0o600)
    try:
        while not (is_taken := _try_alone(descriptor)) and monotonic() < until_s:
            Event().wait(_POLL_S)
        yield is_taken
    finally:
        os.close(descriptor)


def _try_alone(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class _Turnstile:
    """The sender's side. Each passage has a descriptor of its own: a lock belongs to one."""

    def __init__(self, store: Path) -> None:
        self._path = os.fspath(gate_path(store))
        self._free: list[int] = []
        self._is_closed = False
        self._lock = Lock()

    def enter(self) -> int:
        """Hold the gate open for one call; return what ``leave`` wants.

        Raises:
            NotSentError: It is being closed at this moment; never waits for that.
            OSError: The lock file cannot be used.
        """
        descriptor = self._take()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._give_back(descriptor)
            msg = "Not sent: trading is being halted; it looks again."
            raise NotSentError(msg) from error
        return descriptor

    def leave(self, descriptor: int) -> None:
        """The call has ended."""
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        self._give_back(descriptor)

    def close(self) -> None:
        """Let go of what nobody uses; the rest follows with its passage."""
        with self._lock:
            self._is_closed = True
            for descriptor in self._free:
                os.close(descriptor)
            self._free.clear()

    def _take(self) -> int:
        with self._lock:
            descriptor = self._free.pop() if self._free else os.open(self._path, _MODE, 0o600)
        try:
            is_same = os.fstat(descriptor).st_ino == _stat(self._path).st_ino
        except FileNotFoundError:
            is_same = False
        if is_same:
            return descriptor
        # Somebody took the file away: a halt would lock another one.
        os.close(descriptor)
        return os.open(self._path, _MODE, 0o600)

    def _give_back(self, descriptor: int) -> None:
        with self._lock:
            if self._is_closed:
                os.close(descriptor)
            else:
                self._free.append(descriptor)


class _NotedHalts:
    """The halts in the file beside the store, read again when it has changed."""

    def __init__(self, store: Path) -> None:
        # Made once: it takes longer than the look.
        self._path = os.fspath(halt_file(store))
        # None: what is there has not been read to its end.
        self._seen: tuple[int, ...] | None = ()
        # Kept open, so that the system gives its number to no other file.
        self._kept: int | None = None
        self._halts: dict[HaltScope, Halted] = {}

    def look(self) -> tuple[Halted, ...]:
        """Return what is in force by the file."""
        found = self._identity()
        if found != self._seen:
            self._read(found)
        return tuple(self._halts.values()) if self._halts else ()

    def close(self) -> None:
        """Let go of the file."""
        kept, self._kept = self._kept, None
        if kept is not None:
            os.close(kept)

    def _identity(self) -> tuple[int, ...]:
        try:
            return _identity(os.lstat(self._path))
        except FileNotFoundError:
            return ()

    def _read(self, found: tuple[int, ...]) -> None:
        self._seen = None
        self.close()
        halts: dict[HaltScope, Halted] = {}
        if found:
            self._kept = open_halt_file(self._path)
            if self._kept is not None:
                # Of what is read, should it have been replaced since it was looked at.
                found = _identity(os.fstat(self._kept))
            halts = halts_in(self._kept, found[-1] / 10**9)
        # Last: a look that fails before is made again, and says no again.
        self._halts, self._seen = halts, found


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
