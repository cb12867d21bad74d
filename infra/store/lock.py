"""The lock that keeps a second engine away: the operating system's, so kill -9 frees it at once."""

import errno
import fcntl
import json
import os
import socket
from pathlib import Path
from typing import Self

from domain.errors import AccountLockedError, StoreError
from domain.ports import Clock
from domain.terms import AccountId
from infra.store.codec import utc_text
from infra.store.folders import beside


class StoreLock:
    """A held lock. Its file names the holder and stays; only the lock on it counts."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, path: Path, *, account_id: AccountId, clock: Clock) -> Self:
        """Take the lock of the store at ``path``, or say who holds it.

        Raises:
            AccountLockedError: Another engine holds it.
            StoreError: The lock file cannot be written.
        """
        lock_path = beside(path, ".lock")
        try:
            descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            msg = f"The lock file {lock_path} cannot be written: {error.strerror}."
            raise StoreError(msg) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write_holder(descriptor, account_id, clock)
        except OSError as error:
            holder = _read_holder(descriptor)
            os.close(descriptor)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                msg = (
                    f"Account {account_id} is traded by another engine ({holder}) on {path}. "
                    "Stop that one first; two engines would send orders twice."
                )
                raise AccountLockedError(msg) from error
            msg = f"The lock file {lock_path} cannot be locked: {error.strerror}."
            raise StoreError(msg) from error
        return cls(descriptor)

    def name_holder(self) -> None:
        """Nothing is left to do: the file names the holder already."""

    def release(self) -> None:
        """Let the next engine in."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _write_holder(descriptor: int, account_id: AccountId, clock: Clock) -> None:
    holder = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started_at": utc_text(clock.now()),
        "account_id": account_id,
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _read_holder(descriptor: int) -> str:
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
        return f"pid {holder['pid']} on {holder['host']}, started {holder['started_at']}"
    except (OSError, ValueError, KeyError, TypeError):
        # It took the lock a moment ago and has not said yet who it is.
        return "holder not yet named"
