"""The gate between halts and orders: an OS lock, shared by calls, taken alone by who halts.

The system lets go of it when a process ends, however it ends; a stopped process keeps it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock
from time import monotonic
from typing import Final

from domain.errors import NotSentError
from infra.store.folders import beside

# Path.stat takes twice as long, and every order asks.
_stat: Final = os.stat
_POLL_S: Final = 0.005
_MODE: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


def gate_path(store: Path) -> Path:
    """Return the lock file that stands between orders and halts."""
    return beside(store, ".gate")


class Gate:
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


class NoGate:
    """Where there is no folder for a lock file: passing takes nothing, and nobody can wait."""

    def enter(self) -> int:
        """Pass."""
        return 0

    def leave(self, descriptor: int) -> None:
        """The call has ended."""

    def close(self) -> None:
        """There is nothing to let go of."""


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
