"""Time and timers of the real world."""

import heapq
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count

import structlog

log = structlog.get_logger(__name__)


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the wall time, aware UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that only go forward."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait; only off the actors."""
        threading.Event().wait(seconds)


class Timer:
    """A call that is going to happen."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[], None]) -> None:
        self._function: Callable[[], None] | None = function

    def cancel(self) -> None:
        """Do not make the call; nothing happens if it was made already."""
        self._function = None

    def fire(self) -> None:
        """Make the call, unless it was cancelled."""
        function, self._function = self._function, None
        if function is not None:
            function()


class ThreadScheduler:
    """Calls made later, one at a time, by one thread that sleeps while there is nothing to do."""

    def __init__(self, *, name: str = "oncefill-timers") -> None:
        self._name = name
        self._due: list[tuple[float, int, Timer]] = []
        self._serial = count()  # Calls due at the same moment are made in the order asked for.
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_stopped = False

    def call_later(self, seconds: float, function: Callable[[], None]) -> Timer:
        """Call ``function`` in ``seconds``; never, if the scheduler is stopped before."""
        timer = Timer(function)
        at = time.monotonic() + max(0.0, seconds)
        with self._changed:
            if self._is_stopped:
                return timer
            heapq.heappush(self._due, (at, next(self._serial), timer))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify()
        return timer

    def stop(self) -> None:
        """Forget what is due and wait for the call under way, unless it is the caller."""
        with self._changed:
            self._is_stopped = True
            self._due.clear()
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        while (timer := self._next()) is not None:
            try:
                timer.fire()
            except Exception:  # The thread's root: one bad call must not silence all later ones.
                log.exception("timer.failed")

    def _next(self) -> Timer | None:
        """Wait for the next call that is due; None once the scheduler is stopped."""
        with self._changed:
            while not self._is_stopped:
                wait_s = self._due[0][0] - time.monotonic() if self._due else None
                if wait_s is not None and wait_s <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait_s)
        return None
