"""A heap of things to do later, from which cancelled ones disappear."""

import heapq
from collections.abc import Callable, Iterable
from itertools import count
from threading import RLock
from typing import Final, TypeAlias

# Below this many cancelled timers a rebuild costs more than the memory it frees.
_PRUNE_FROM: Final = 64


class Timer:
    """One thing to do at ``due_s``; cancelling twice, or too late, changes nothing.

    Attributes:
        work: Whether a simulation that waits for its work to end waits for this as well.
        owner: Whose it is, where several share a heap.
    """

    __slots__ = ("_heap", "action", "due_s", "owner", "work")

    def __init__(self, due_s: float, action: Callable[[], None], heap: "TimerHeap") -> None:
        self.due_s = due_s
        self.action: Callable[[], None] | None = action
        self.work = False
        self.owner: object = None
        self._heap = heap

    def cancel(self) -> None:
        """Forget the action, and free its memory."""
        self._heap.cancel(self)


Entry: TypeAlias = tuple[float, int, Timer]


class TimerHeap:
    """Timers by due time, then in the order they were set."""

    def __init__(self) -> None:
        self.lock = RLock()
        self._heap: list[Entry] = []
        self._serials = count()
        self._cancelled = 0

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, due_s: float, action: Callable[[], None]) -> Timer:
        """Add an action to be done at ``due_s``."""
        timer = Timer(due_s, action, self)
        with self.lock:
            heapq.heappush(self._heap, (due_s, next(self._serials), timer))
        return timer

    def cancel(self, timer: Timer) -> None:
        """Forget a timer; the heap is rebuilt when most of it is forgotten."""
        with self.lock:
            if timer.action is None:
                return
            timer.action = None
            self._cancelled += 1
            if self._cancelled > max(_PRUNE_FROM, len(self._heap) // 2):
                self._heap = [entry for entry in self._heap if entry[2].action is not None]
                heapq.heapify(self._heap)
                self._cancelled = 0

    def is_first(self, timer: Timer) -> bool:
        """Return whether ``timer`` is the earliest; only with the lock held, right after push."""
        return self._heap[0][2] is timer

    def next_due(self) -> float | None:
        """Return when the earliest timer is due, or None when there is none."""
        with self.lock:
            while self._heap and self._heap[0][2].action is None:
                heapq.heappop(self._heap)
                self._cancelled -= 1
            return self._heap[0][0] if self._heap else None

    def pop_due(self, now_s: float) -> Callable[[], None] | None:
        """Take the earliest action that is due, or return None."""
        # Asked before every turn of a simulation, so the usual answer takes no lock.
        if not self._heap:
            return None
        with self.lock:
            heap = self._heap
            if not heap or heap[0][0] > now_s:
                return None
            due_s = self.next_due()
            if due_s is None or due_s > now_s:
                return None
            timer = heapq.heappop(self._heap)[2]
            action, timer.action = timer.action, None
            return action

    def has_work(self) -> bool:
        """Return whether a timer is left that counts as work."""
        with self.lock:
            return any(timer.work and timer.action is not None for _, _, timer in self._heap)

    def drop(self, owner: object) -> None:
        """Forget every timer of one owner."""
        with self.lock:
            self._heap = [entry for entry in self._heap if entry[2].owner is not owner]
            heapq.heapify(self._heap)
            self._cancelled = sum(entry[2].action is None for entry in self._heap)

    def take(self, owner: object) -> list[Entry]:
        """Take out every timer of one owner, for ``put_back``."""
        with self.lock:
            taken = [entry for entry in self._heap if entry[2].owner is owner]
            self.drop(owner)
        return taken

    def put_back(self, entries: Iterable[Entry]) -> None:
        """Put back what was taken out, each with its own time and place."""
        with self.lock:
            for entry in entries:
                heapq.heappush(self._heap, entry)

    def clear(self) -> None:
        """Forget every timer."""
        with self.lock:
            self._heap.clear()
            self._cancelled = 0
