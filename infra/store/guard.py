"""The last look before an order leaves: still this engine's store, still its epoch, no halt."""

import os
from pathlib import Path
from threading import Lock
from typing import Final

from sqlalchemy import select

from domain.errors import NotSentError
from infra.store.dialect import DriverError
from infra.store.drivers import Probe
from infra.store.places import Place, probe_of, watch_of
from infra.store.statements import compiled
from infra.store.tables import META

HALT_FILE: Final = "HALT"

_EPOCH: Final = compiled(select(META.c.value).where(META.c.key == "epoch"))


class StoreGuard:
    """domain.ports.Guard on the store; for any thread."""

    def __init__(self, *, path: Place, epoch: int) -> None:
        self._path = path
        self._epoch = epoch
        self._file = watch_of(path)
        # A store on a server has no folder.
        self._halt = os.fspath(path.with_name(HALT_FILE)) if isinstance(path, Path) else None
        self._probe: Probe | None = None
        self._is_closed = False
        self._lock = Lock()

    def check(self) -> None:
        """Return, or say why nothing may be sent.

        Raises:
            NotSentError: Halted, fenced, or that could not be found out.
        """
        try:
            is_halted = self._halt is not None and _is_there(self._halt)
            fault = self._file.fault()
            epoch = None if fault else self._read_epoch()
        except (OSError, *DriverError, ValueError, TypeError) as error:
            msg = f"Not sent: the store {self._path} could not be read ({type(error).__name__})."
            raise NotSentError(msg) from error
        if is_halted:
            msg = f"Not sent: trading is halted by {self._halt}; remove that file to go on."
            raise NotSentError(msg)
        if fault:
            msg = f"Not sent: {fault}; put the right file back and restart the engine."
            raise NotSentError(msg)
        if epoch != self._epoch:
            msg = f"Not sent: another engine has taken over {self._path} (epoch {epoch})."
            raise NotSentError(msg)

    def close(self) -> None:
        """Let go of the file; every later check says no."""
        with self._lock:
            self._is_closed = True
            if self._probe is not None:
                self._probe.close()

    def _read_epoch(self) -> int:
        with self._lock:
            if self._probe is None:
                if self._is_closed:
                    msg = "the guard is closed"
                    raise ValueError(msg)
                self._probe = probe_of(self._path)
            ((epoch,),) = self._probe.read(_EPOCH)
        return int(epoch)


def _is_there(path: str) -> bool:
    """A link to nowhere is there; what cannot be looked at raises."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    return True
