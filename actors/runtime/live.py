"""Actors on threads and in real time."""

from collections.abc import Callable
from datetime import datetime
from queue import SimpleQueue
from threading import TIMEOUT_MAX, Condition, Event, Thread, current_thread
from typing import Final

import structlog

from actors.runtime.cell import Cell
from actors.runtime.crew import Crew
from actors.runtime.messages import HALT
from actors.runtime.ports import Clock, Worker
from actors.runtime.system import ActorSystem
from actors.runtime.timers import Timer, TimerHeap
from domain.errors import error_text
from domain.supervision import RestartPolicy

_log = structlog.get_logger()

# Messages an actor may handle before the next actor has its turn.
_BUDGET: Final = 64

# After so many requests in one batch a worker lets the next one gather for a moment.
_CROWD: Final = 16
_GATHER_S: Final = 0.003


class LiveSystem(ActorSystem):
    """Actors share a crew of two threads; those with ``own_thread`` get one each.

    All threads are daemons: a broker call that hangs must not keep a process that wants to end.
    For the same reason calls do not run in a ``ThreadPoolExecutor``, whose threads are joined at
    exit without a limit.

    Args:
        clock: Real time.
        io_threads: Threads that run what actors ``call``; so many calls are under way at most.
        policy: How often top-level actors may start again before the whole system has failed.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        io_threads: int = 4,
        policy: RestartPolicy | None = None,
    ) -> None:
        self._clock = clock
        self._timers = TimerHeap()
        self._bell = Condition(self._timers.lock)
        self._crew = Crew(self._run_cell)
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._own: dict[Cell, SimpleQueue[Cell | None]] = {}
        self._threads: list[Thread] = []
        self._drives: list[tuple[Thread, SimpleQueue[None]]] = []
        self._root_stopped = Event()
        # Set in this order by stop(): timers go silent, drives leave, late messages are counted.
        self._is_closing = self._is_draining_out = self._is_closed = False
        super().__init__(policy=policy)
        self._thread("actors", self._crew.work)
        self._thread("actors-stand-by", self._crew.stand_by)
        for number in range(io_threads):
            self._thread(f"io-{number}", self._run_jobs)
        self._thread("timers", self._run_timers)

    def now(self) -> datetime:
        """Return the clock's time of day."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Return the clock's seconds that never go back."""
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block the calling thread; only inside a function given to ``Actor.call``."""
        self._clock.sleep(seconds)

    def schedule(self, seconds: float, action: Callable[[], None], *, work: bool = False) -> Timer:
        """Run a short function in the timer thread, later."""
        due_s = self._clock.monotonic() + seconds
        with self._bell:
            timer = self._timers.push(due_s, action)
            timer.work = work
            # The thread sleeps until the earliest timer; a later one must not wake it.
            if self._timers.is_first(timer):
                self._bell.notify()
        return timer

    def submit(self, job: Callable[[], None]) -> None:
        """Run a job in one of the io threads."""
        self._jobs.put(job)

    def drive(self, worker: Worker) -> None:
        """Give the worker a thread that sleeps until the worker wakes it."""
        # A queue wakes its reader in half the time that an Event takes.
        bell: SimpleQueue[None] = SimpleQueue()

        def ring() -> None:
            # A burst of appends finds the bell rung already, which is cheaper than ringing it.
            if bell.empty():
                bell.put(None)

        worker.attach(lambda: self._crew.when_idle(ring))
        name = f"drive-{type(worker).__name__}"
        thread = Thread(target=self._run_drain, args=(worker, bell), name=name, daemon=True)
        self._drives.append((thread, bell))
        thread.start()

    def is_above_actors(self, _error: BaseException) -> bool:
        """Return False: on a thread of the pool even SystemExit is only that actor's failure."""
        return False

    def let_gather(self, done: int) -> None:
        """Wait for a fuller batch while there is a crowd: one batch costs like a few rows."""
        if done > _CROWD and not self._is_draining_out:
            self._clock.sleep(_GATHER_S)

    def effect(self) -> None:
        """Do nothing: reality kills wherever it likes."""

    def forget(self, cell: Cell) -> None:
        """Drop an actor that has ended, and its thread; the pool reads what comes later."""
        super().forget(cell)
        cells = self._own.pop(cell, None)
        if cells is not None:
            # The caller holds the token, so nobody can have read the old ``ready``.
            cell.box.ready = self._make_runnable
            cells.put(None)
        if cell.parent is None:
            self._root_stopped.set()

    def stop(self, timeout_s: float = 10.0) -> tuple[str, ...]:
        """Stop children before parents, then timers, pool, calls and drives.

        Returns:
            The names of the actors and threads that did not end within ``timeout_s``.
        """
        if self._is_closed:
            return ()
        deadline_s = self._clock.monotonic() + timeout_s
        if not self.halted:
            self._root.box.put_lifecycle(HALT)
            self._root_stopped.wait(timeout_s)
        late = () if self.halted else tuple(self.actors)
        with self._bell:
            self._is_closing = True
            self._timers.clear()
            self._bell.notify()
        self._crew.dismiss()
        for _ in self._threads:
            self._jobs.put(None)
        for cells in list(self._own.values()):
            cells.put(None)
        late += self._join(self._threads, deadline_s)
        self._is_draining_out = True
        for _, bell in self._drives:
            bell.put(None)
        late += self._join([thread for thread, _ in self._drives], deadline_s)
        self._is_closed = True
        self._discard_runnable()
        return late

    def _adopt(self, cell: Cell) -> None:
        if not cell.cls.own_thread:
            cell.box.ready = self._make_runnable
            return
        cells: SimpleQueue[Cell | None] = SimpleQueue()
        self._own[cell] = cells
        cell.box.ready = cells.put
        self._thread(f"actor-{cell.name}", lambda: self._run_cells(cells))

    def _make_runnable(self, cell: Cell) -> None:
        self._crew.put(cell)
        # stop() closes first and discards afterwards; here it is the other way round, so that
        # one of the two sees a message that comes at that moment.
        if self._is_closed:
            self._discard_runnable()

    def _discard_runnable(self) -> None:
        for cell in self._crew.get_all():
            cell.discard()

    def _thread(self, name: str, target: Callable[[], None]) -> None:
        thread = Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _join(self, threads: list[Thread], deadline_s: float) -> tuple[str, ...]:
        for thread in threads:
            if thread is not current_thread():
                thread.join(max(0.0, deadline_s - self._clock.monotonic()))
        return tuple(thread.name for thread in threads if thread.is_alive())

    def _run_cells(self, cells: SimpleQueue[Cell | None]) -> None:
        while (cell := cells.get()) is not None:
            self._run_cell(cell)

    def _run_cell(self, cell: Cell) -> None:
        try:
            if not self.halted:
                cell.run(_BUDGET)
        except BaseException as error:
            # A bug of the runtime itself: an actor's failure never comes this far.
            self.fatal(error)
            raise

    def _run_jobs(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _run_timers(self) -> None:
        while (action := self._next_action()) is not None:
            try:
                action()
            except BaseException as error:
                # The next timer has done no wrong.
                if self.is_above_actors(error):
                    raise
                _log.warning(
                    "timer.failed", error_type=type(error).__name__, error=error_text(error)
                )

    def _next_action(self) -> Callable[[], None] | None:
        """Wait for the earliest timer; None when the system stops."""
        with self._bell:
            while not self._is_closing:
                now_s = self._clock.monotonic()
                action = self._timers.pop_due(now_s)
                if action is not None:
                    return action
                due_s = self._timers.next_due()
                self._bell.wait(None if due_s is None else min(due_s - now_s, TIMEOUT_MAX))
        return None

    def _run_drain(self, worker: Worker, bell: SimpleQueue[None]) -> None:
        is_last = False
        while not is_last and not self.halted:
            # Rung off before the work is taken: what comes afterwards rings again.
            bell.get()
            is_last = self._is_draining_out
            self.drain(worker)
