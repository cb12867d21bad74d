"""Ending a local engine that hangs, so that another can take its store."""

import fcntl
import json
import os
import signal
import socket
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Final

from domain.errors import AccountLockedError, StoreError
from infra.store.folders import beside

_ENDS_S: Final = 10.0
_POLL_S: Final = 0.02


def end_holder(store: Path) -> int | None:
    """Kill the engine that is named in the store's lock and has it open; return its process id.

    None: nobody holds the lock, so nobody was killed.

    Raises:
        AccountLockedError: It is held, but by whom cannot be proved here, or it does not end.
        StoreError: The lock cannot be read.
    """
    path = beside(store, ".lock")
    try:
        if _is_free(path):
            return None
        pid = _holder_here(path)
        # From here on the number means this process and no other.
        handle = os.pidfd_open(pid)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"Who holds {path} cannot be found out ({type(error).__name__}); stop it by hand."
        raise StoreError(msg) from error
    try:
        if not _has_open(pid, path):
            msg = f"Process {pid}, named in {path}, does not have it open; look who does."
            raise AccountLockedError(msg)
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        pass  # It has ended by itself.
    finally:
        os.close(handle)
    until_s = monotonic() + _ENDS_S
    while not _is_free(path):
        if monotonic() > until_s:
            msg = f"Process {pid} was killed and still holds {path} after {_ENDS_S:.0f} s."
            raise AccountLockedError(msg)
        Event().wait(_POLL_S)
    return pid


def _holder_here(path: Path) -> int:
    """Return the process named in the lock, when it runs on this machine."""
    holder = json.loads(path.read_text(encoding="utf-8"))
    if holder["host"] != socket.gethostname():
        msg = (
            f"{path} is held by an engine on {holder['host']}; stop it there. Until it notices "
            "that it is fenced off, an order that it was about to send may still leave."
        )
        raise AccountLockedError(msg)
    pid = int(holder["pid"])
    if pid in (os.getpid(), 0, 1):
        msg = f"{path} names process {pid}, which is not one to be killed; look who holds it."
        raise AccountLockedError(msg)
    return pid


def _is_free(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _has_open(pid: int, path: Path) -> bool:
    """Return whether the process has the file open; where that is not told, nothing is proved."""
    wanted = path.stat()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found = descriptor.stat()
        except OSError:
            continue
        if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
            return True
    return False
