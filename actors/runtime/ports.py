"""What the runtime needs from outside, and what it offers to those who are not actors."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Time, as infra or a test provides it."""

    def now(self) -> datetime:
        """Return the time of day, aware and in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, whatever happens to the time of day."""
        ...

    def sleep(self, seconds: float) -> None:
        """Block the calling thread."""
        ...


class Cancellable(Protocol):
    """Something set for later."""

    def cancel(self) -> None:
        """Forget it; too late or twice changes nothing."""
        ...


class System(Protocol):
    """What an actor sees of its system."""

    def now(self) -> datetime:
        """Return the time of day, aware and in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; only inside a function given to ``Actor.call``, never in a handler."""
        ...

    def call_later(self, seconds: float, function: Callable[[], None]) -> Cancellable:
        """Run a short function outside every actor, later."""
        ...


class Worker(Protocol):
    """Work that comes in batches, like the journal's writer."""

    def attach(self, wake: Callable[[], None]) -> None:
        """Take the function to call, from any thread, when there is work."""
        ...

    def drain(self) -> int:
        """Do what has come and return how much that was; 0 when there was nothing."""
        ...
