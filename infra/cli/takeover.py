"""Ending the engine that holds a store, so that this one can take its place."""

import os
import select
import signal
import socket
from pathlib import Path
from typing import Final

from domain.errors import AccountLockedError
from infra.cli.source import lock_holder
from infra.signals.client import listener
from infra.store.drivers import PostgresPlace
from infra.store.places import Place, end_lines
from infra.store.takeover import end_holder

_ENDS_S: Final = 10.0


def take_over(store: Place) -> str:
    """End who holds the store, and return what was done; empty when nobody holds it.

    On a server its lines are ended, wherever it runs; its process as well when it is proved to be
    one of this machine: it listens at the store's door, and the lock names it.

    Raises:
        AccountLockedError: It cannot be ended from here; the text names it.
        StoreError: The store cannot be looked at.
    """
    if isinstance(store, Path):
        pid = end_holder(store)
        return f"Killed the engine with pid {pid}, which held the store." if pid else ""
    killed = _kill_here(store)
    ended = end_lines(store)
    if killed is not None:
        return f"Killed the engine with pid {killed}, which held the store."
    if ended is None:
        return ""
    return f"Ended the lines of the engine that held the store ({ended}); it is fenced off."


def _kill_here(store: PostgresPlace) -> int | None:
    holder = lock_holder(store)
    if holder is None or not holder.is_running or holder.host != socket.gethostname():
        return None
    if holder.pid in (os.getpid(), 0, 1):
        return None
    try:
        handle = os.pidfd_open(holder.pid)
    except (OSError, AttributeError):
        return None
    try:
        # From here on the number means this process and no other.
        if listener(store) != holder.pid:
            return None
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        if not select.select([handle], (), (), _ENDS_S)[0]:
            msg = f"Process {holder.pid} was killed and is still there after {_ENDS_S:.0f} s."
            raise AccountLockedError(msg)
    except ProcessLookupError:
        return None  # It has ended by itself.
    finally:
        os.close(handle)
    return holder.pid
