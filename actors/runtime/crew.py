"""The threads that run actors: one works, the other steps in when it is held up."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event
from typing import Final

from actors.runtime.cell import Cell

# An actor that takes longer is not waited for.
LATE_S: Final = 0.005

# So many actors may still have their turn before what one of them wants rung is rung.
TURNS_BEFORE_BELL: Final = 32


class Crew:
    """A queue of actors that have something to read, for two threads.

    Threads that share one interpreter lock do not add up: two at work take a tenth longer than one
    for the same messages. But a handler that is slow must not hold up the others, so while actors
    wait the second thread looks now and then whether the first is still at the same one.

    Args:
        run: Runs one actor; never raises for what an actor does.
    """

    def __init__(self, run: Callable[[Cell], None]) -> None:
        self._run = run
        self._cells: SimpleQueue[Cell | None] = SimpleQueue()
        self._bell = Event()
        self._dismissed = Event()
        self._is_working = False
        self._turns = 0  # Of the first thread.
        self._bells: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._ring_at_turn = 0  # At the latest.

    def put(self, cell: Cell) -> None:
        """Queue an actor."""
        self._cells.put(cell)
        if self._is_working:
            self._call()

    def when_idle(self, ring: Callable[[], None]) -> None:
        """Ring when no actor waits any more, or soon: what they do until then goes with it."""
        if not self._is_working:
            ring()
            return
        self._ring_at_turn = self._turns + TURNS_BEFORE_BELL
        self._bells.put(ring)
        self._call()
        # Whoever works may have looked just before.
        if not self._is_working:
            self._ring()

    def get_all(self) -> Iterator[Cell]:
        """Take out every actor that waits."""
        while not self._cells.empty():
            cell = self._get()
            if cell is not None:
                yield cell

    def dismiss(self) -> None:
        """Let both threads go home."""
        self._dismissed.set()
        self._cells.put(None)  # Only wakes the first thread.
        self._bell.set()

    def work(self) -> None:
        """Run one actor after the other; the first thread's life."""
        while not self._dismissed.is_set() and (cell := self._cells.get()) is not None:
            self._is_working = True
            # Whoever queued one just now may not have seen that somebody works.
            if not self._cells.empty():
                self._call()
            self._run(cell)
            self._turns += 1
            if self._cells.empty():
                self._is_working = False
                self._ring()
            elif self._turns >= self._ring_at_turn:
                self._ring()

    def stand_by(self) -> None:
        """Step in when the first thread is late; the second thread's life."""
        while True:
            self._bell.wait()
            self._bell.clear()
            # Looked at after the bell was cleared: who comes later rings again.
            while not (self._dismissed.is_set() or self._is_done()):
                turns = self._turns
                if self._dismissed.wait(LATE_S):
                    return
                if self._turns == turns:
                    self._ring()
                while self._turns == turns and (cell := self._get()) is not None:
                    self._run(cell)
                    self._ring()
            if self._dismissed.is_set():
                return

    def _get(self) -> Cell | None:
        try:
            return self._cells.get_nowait()
        except Empty:
            return None

    def _is_done(self) -> bool:
        return self._cells.empty() and self._bells.empty()

    def _ring(self) -> None:
        while not self._bells.empty():
            with suppress(Empty):
                self._bells.get_nowait()()

    def _call(self) -> None:
        if not self._bell.is_set():
            self._bell.set()
