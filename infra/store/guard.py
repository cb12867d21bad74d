"""The last look before an order leaves: still this engine's store, still its epoch, no halt."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

from domain.errors import HaltedError, NotSentError, StoreError
from domain.halt import Halted, HaltScope, halts_after
from domain.terms import StrategyId, Symbol
from infra.store.codec import CODEC
from infra.store.dialect import DriverError
from infra.store.drivers import Passage
from infra.store.halt_rows import HALT_ROWS
from infra.store.halts import covering
from infra.store.places import Place, gate_of
from infra.store.statements import compiled

_HALT_ROWS: Final = compiled(HALT_ROWS)
_UNREADABLE: Final = (OSError, *DriverError, StoreError, ValueError, TypeError)


class StoreGuard:
    """domain.ports.Guard on the store; for any thread."""

    def __init__(self, *, path: Place, epoch: int) -> None:
        self._path = path
        self._epoch = epoch
        self._gate = gate_of(path)
        # The halts by the journal, when it had so many rows of them.
        self._rows = 0
        self._in_rows: dict[HaltScope, Halted] = {}
        self._lock = Lock()

    @contextmanager
    def hold(self, *, symbol: Symbol, strategy_id: StrategyId) -> Iterator[None]:
        """Let one order pass: the call is made inside, and a halt waits for its end.

        Raises (on entering):
            HaltedError: The order is in a halt's scope.
            NotSentError: Fenced, or that could not be found out.
        """
        try:
            passage = self._gate.enter()
        except _UNREADABLE as error:
            raise self._unreadable(error) from error
        try:
            self._look(passage, symbol, strategy_id)
            yield
        finally:
            self._gate.leave(passage)

    def close(self) -> None:
        """Let go of the store; every later look says no."""
        self._gate.close()

    def _look(self, passage: Passage, symbol: Symbol, strategy_id: StrategyId) -> None:
        if passage.epoch != self._epoch:
            msg = f"Not sent: another engine has taken over {self._path} (epoch {passage.epoch})."
            raise NotSentError(msg)
        try:
            halts = self._halts(passage)
        except _UNREADABLE as error:
            raise self._unreadable(error) from error
        if halts and (halt := covering(halts, symbol, strategy_id)) is not None:
            msg = (
                f"Held back: {halt.text}. It goes on after: resume --scope {halt.scope} --reason …"
            )
            raise HaltedError(msg)

    def _halts(self, passage: Passage) -> tuple[Halted, ...]:
        with self._lock:
            if passage.halt_rows != self._rows:
                rows = self._gate.read(_HALT_ROWS)
                self._in_rows = halts_after({}, (CODEC.decode(kind, data) for kind, data in rows))
                self._rows = passage.halt_rows
            if not self._in_rows:
                return passage.noted
            return (*passage.noted, *self._in_rows.values())

    def _unreadable(self, error: Exception) -> NotSentError:
        name = type(error).__name__
        return NotSentError(f"Not sent: the store {self._path} could not be read ({name}).")
