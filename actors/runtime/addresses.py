"""Addresses of the simulated system, which count effects and answer in virtual time."""

from typing import Any, Protocol

import pykka

from actors.runtime.mailbox import Mailbox, Ref


class Simulation(Protocol):
    """What an address needs of the simulation."""

    is_dead: bool

    def effect(self) -> None:
        """Count something that is seen from outside; may raise Killed."""
        ...

    def wait_for(self, future: "SimulatedFuture", within_s: float | None) -> bool:
        """Go on until a future is set."""
        ...


class SimulatedRef(Ref):
    """An address at which each tell is an effect."""

    __slots__ = ("_simulation",)

    def __init__(
        self, name: str, actor_class: type[Any], mailbox: Mailbox, simulation: Simulation
    ) -> None:
        super().__init__(name, actor_class, mailbox)
        self._simulation = simulation

    def tell(self, message: Any) -> None:
        """Queue a message, unless the process was killed."""
        self._simulation.effect()
        if not self._simulation.is_dead:
            super().tell(message)

    def tell_control(self, message: Any) -> None:
        """Queue a message ahead of those told, unless the process was killed."""
        self._simulation.effect()
        if not self._simulation.is_dead:
            super().tell_control(message)

    def _new_future(self) -> pykka.Future[Any]:
        return SimulatedFuture(self._simulation)


class SimulatedFuture(pykka.ThreadingFuture[Any]):
    """A future that lets the simulation go on until it is set."""

    # pykka makes a second one, without arguments, to convert the answer of a stop().
    def __init__(self, simulation: Simulation | None = None) -> None:
        super().__init__()
        self._simulation = simulation

    @property
    def is_set(self) -> bool:
        """Whether there is an answer."""
        return self._result is not None

    def get(self, *, timeout: float | None = None) -> Any:
        """Return the value.

        Raises:
            pykka.Timeout: Not within ``timeout`` virtual seconds, or never.
        """
        if self._simulation is not None and not self._simulation.wait_for(self, timeout):
            msg = "Nothing that can happen sets this future."
            raise pykka.Timeout(msg)
        return super().get(timeout=timeout)
