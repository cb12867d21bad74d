"""The last look before an order leaves: still this engine's store, still its epoch, no halt."""

import os
from pathlib import Path
from threading import Lock
from typing import Final

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from domain.errors import NotSentError
from infra.store.dialect import compiled
from infra.store.tables import META

HALT_FILE: Final = "HALT"

_EPOCH: Final = compiled(select(META.c.value).where(META.c.key == "epoch"))


class StoreGuard:
    """domain.ports.Guard on the store; for any thread. ``engine`` begins no transactions."""

    def __init__(self, *, engine: Engine, path: Path, epoch: int) -> None:
        self._engine = engine
        self._path = path
        self._epoch = epoch
        self._file = path.stat().st_ino
        self._connection: Connection | None = None
        self._lock = Lock()

    def check(self) -> None:
        """Return, or say why nothing may be sent.

        Raises:
            NotSentError: Halted, fenced, or that could not be found out.
        """
        try:
            self._check_halt()
            epoch = self._read_epoch()
        except (OSError, SQLAlchemyError, ValueError, TypeError) as error:
            msg = f"Not sent: the store {self._path} could not be read ({type(error).__name__})."
            raise NotSentError(msg) from error
        if epoch != self._epoch:
            msg = f"Not sent: another engine has taken over {self._path} (epoch {epoch})."
            raise NotSentError(msg)

    def close(self) -> None:
        """Let go of the file; every later check says no."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    def _check_halt(self) -> None:
        halt = self._path.with_name(HALT_FILE)
        # lexists: a link to nowhere halts as well.
        if os.path.lexists(halt):
            msg = f"Not sent: trading is halted by {halt}; remove that file to go on."
            raise NotSentError(msg)
        if self._path.stat().st_ino != self._file:
            msg = f"Not sent: {self._path} was replaced while the engine ran; restart the engine."
            raise NotSentError(msg)

    def _read_epoch(self) -> int:
        with self._lock:
            if self._connection is None:
                self._connection = self._engine.connect()
            return int(self._connection.exec_driver_sql(_EPOCH).scalar_one())
