"""The last look before an order leaves: still this engine's store, still its epoch, no halt."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final

from sqlalchemy import func, select

from domain.errors import HaltedError, NotSentError, StoreError
from domain.halt import Halted, HaltScope, halts_after
from domain.terms import StrategyId, Symbol
from infra.store.codec import CODEC
from infra.store.dialect import DriverError
from infra.store.drivers import Probe
from infra.store.gate import Gate, NoGate
from infra.store.halt_file import halt_file, halts_in, open_halt_file
from infra.store.halt_rows import HALT_ROWS, HALTS
from infra.store.halts import covering
from infra.store.places import Place, probe_of, watch_of
from infra.store.statements import compiled
from infra.store.tables import JOURNAL, META

_HALT_ROWS: Final = compiled(HALT_ROWS)
_LAST_HALT: Final = (
    select(func.max(JOURNAL.c.stream_seq)).where(JOURNAL.c.stream == HALTS).scalar_subquery()
)
_EPOCH: Final = compiled(select(META.c.value, _LAST_HALT).where(META.c.key == "epoch"))

_Halts = dict[HaltScope, Halted]


class StoreGuard:
    """domain.ports.Guard on the store; for any thread."""

    def __init__(self, *, path: Place, epoch: int) -> None:
        self._path = path
        self._epoch = epoch
        self._file = watch_of(path)
        # A store on a server has no folder: its halts are rows alone, and nothing waits for calls.
        file = path if isinstance(path, Path) else None
        self._gate = NoGate() if file is None else Gate(file)
        self._halts = _HaltsSeen(file)
        self._probe: Probe | None = None
        self._is_closed = False
        self._lock = Lock()

    @contextmanager
    def hold(self, *, symbol: Symbol, strategy_id: StrategyId) -> Iterator[None]:
        """Let one order pass: the call is made inside, and a halt waits for its end.

        Raises (on entering):
            HaltedError: The order is in a halt's scope.
            NotSentError: Fenced, or that could not be found out.
        """
        try:
            entered = self._gate.enter()
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            self._look(symbol, strategy_id)
            yield
        finally:
            self._gate.leave(entered)

    def close(self) -> None:
        """Let go of the files; every later look says no."""
        with self._lock:
            self._is_closed = True
            if self._probe is not None:
                self._probe.close()
            self._halts.close()
        self._gate.close()

    def _look(self, symbol: Symbol, strategy_id: StrategyId) -> None:
        try:
            fault = self._file.fault()
            epoch, halts = (None, ()) if fault else self._read()
        except (OSError, *DriverError, StoreError, ValueError, TypeError) as error:
            raise self._unreadable(error) from error
        if fault:
            msg = f"Not sent: {fault}; put the right file back and restart the engine."
            raise NotSentError(msg)
        if epoch != self._epoch:
            msg = f"Not sent: another engine has taken over {self._path} (epoch {epoch})."
            raise NotSentError(msg)
        if halts and (halt := covering(halts, symbol, strategy_id)) is not None:
            msg = (
                f"Held back: {halt.text}. It goes on after: resume --scope {halt.scope} --reason …"
            )
            raise HaltedError(msg)

    def _read(self) -> tuple[int, tuple[Halted, ...]]:
        with self._lock:
            if self._is_closed:
                msg = "the guard is closed"
                raise ValueError(msg)
            if self._probe is None:
                self._probe = probe_of(self._path)
            ((epoch, last),) = self._probe.read(_EPOCH)
            return int(epoch), self._halts.look(self._probe, last or 0)

    def _unreadable(self, error: Exception) -> NotSentError:
        name = type(error).__name__
        return NotSentError(f"Not sent: the store {self._path} could not be read ({name}).")


class _HaltsSeen:
    """The halts in force, read again when the file or the rows have changed."""

    def __init__(self, store: Path | None) -> None:
        # Made once: it takes longer than the look.
        self._path = None if store is None else os.fspath(halt_file(store))
        # None: what is there has not been read to its end.
        self._seen: tuple[int, ...] | None = ()
        # Kept open, so that the system gives its number to no other file.
        self._kept: int | None = None
        self._in_file: _Halts = {}
        self._rows = 0
        self._in_rows: _Halts = {}

    def look(self, probe: Probe, rows: int) -> tuple[Halted, ...]:
        """Return what is in force; ``rows`` is how many rows of halts the journal has."""
        if rows != self._rows:
            decoded = (CODEC.decode(kind, data) for kind, data in probe.read(_HALT_ROWS))
            self._in_rows = halts_after({}, decoded)
            self._rows = rows
        found = self._identity()
        if found != self._seen:
            self._read_file(found)
        if not self._in_file and not self._in_rows:
            return ()
        return (*self._in_file.values(), *self._in_rows.values())

    def close(self) -> None:
        """Let go of the file."""
        kept, self._kept = self._kept, None
        if kept is not None:
            os.close(kept)

    def _identity(self) -> tuple[int, ...]:
        if self._path is None:
            return ()
        try:
            return _identity(os.lstat(self._path))
        except FileNotFoundError:
            return ()

    def _read_file(self, found: tuple[int, ...]) -> None:
        self._seen = None
        self.close()
        in_file: _Halts = {}
        if found and self._path is not None:
            self._kept = open_halt_file(self._path)
            if self._kept is not None:
                # Of what is read, should it have been replaced since it was looked at.
                found = _identity(os.fstat(self._kept))
            in_file = halts_in(self._kept, found[-1] / 10**9)
        # Last: a look that fails before is made again, and says no again.
        self._in_file, self._seen = in_file, found


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
