"""What an actor and its cell need of the system they live in."""

from collections.abc import Callable
from typing import Any, Protocol

from actors.runtime.mailbox import Ref
from actors.runtime.ports import System
from actors.runtime.timers import Timer


class Home(System, Protocol):
    """The inner side of a system. Cells pass as ``Any``: they are made of a home themselves."""

    halted: bool

    def spawn_child(
        self,
        parent: Any,
        cls: type[Any],
        name: str | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Ref:
        """Start an actor under a parent, or return the one of that name."""
        ...

    def schedule(self, seconds: float, action: Callable[[], None], *, work: bool = False) -> Timer:
        """Run a short function outside every actor, later."""
        ...

    def submit(self, job: Callable[[], None]) -> None:
        """Run a job that may block, off every actor."""
        ...

    def dead_letter(self, name: str, message: Any) -> None:
        """Count a message that nobody will read."""
        ...

    def quarantined(self, name: str, message: Any, error: BaseException) -> None:
        """Set aside a message that keeps crashing its actor."""
        ...

    def fatal(self, error: BaseException) -> None:
        """Stop dispatching: the root has failed."""
        ...

    def is_above_actors(self, error: BaseException) -> bool:
        """Return whether an error is no failure of the actor in whose turn it came."""
        ...

    def forget(self, cell: Any) -> None:
        """Drop an actor that has ended."""
        ...
