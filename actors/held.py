"""The orders that the guard holds back: one look for all of them, and whom it lets pass goes on."""

from dataclasses import dataclass
from typing import Any

from actors.errors import WithheldError
from actors.gate import HELD_S, Scope, look
from actors.runtime import Actor, Done, Ref
from domain.ports import Guard


@dataclass(frozen=True, slots=True)
class Held:
    """The guard holds an order back; harmless when repeated."""

    order: Ref
    scope: Scope


@dataclass(frozen=True, slots=True)
class Unheld:
    """An order is not going to be sent: it waits for the guard no longer."""

    order: Ref


@dataclass(frozen=True, slots=True)
class Released:
    """The guard would let the order pass now."""


class HeldActor(Actor):
    """Looks at the guard for as long as it holds something back, once for each scope."""

    def __init__(self, guard: Guard) -> None:
        super().__init__()
        self._guard = guard
        self._held: dict[Ref, Scope] = {}
        self._is_waiting = False

    def on_receive(self, message: Any) -> None:
        """Handle one message."""
        match message:
            case Held(order, scope):
                self._held[order] = scope
                self._wait()
            case Unheld(order):
                self._held.pop(order, None)
            case "look":
                self._look()
            case Done():
                self._is_waiting = False
                self._release(message.value)
                self._wait()
            case _:
                msg = f"the actor of held orders cannot handle {type(message).__name__}"
                raise TypeError(msg)

    def _wait(self) -> None:
        if self._held and not self._is_waiting:
            self._is_waiting = True
            self.after(HELD_S, "look", "look")

    def _look(self) -> None:
        # In the order of arrival: a set's order is not the same in every process.
        scopes = tuple(dict.fromkeys(self._held.values()))
        self.call(None, passed, self._guard, scopes)

    def _release(self, scopes: frozenset[Scope]) -> None:
        for order, scope in tuple(self._held.items()):
            if scope in scopes:
                del self._held[order]
                order.tell(Released())


def passed(guard: Guard, scopes: tuple[Scope, ...]) -> frozenset[Scope]:
    """Return the scopes that the guard lets pass; nothing is written down for these looks."""
    return frozenset(scope for scope in scopes if _is_passed(guard, scope))


def _is_passed(guard: Guard, scope: Scope) -> bool:
    try:
        look(guard, scope)
    except WithheldError:
        return False
    return True
