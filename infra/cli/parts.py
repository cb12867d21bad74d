"""Engines, as the composition root hands them to commands: Protocols; infra knows no actors."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from domain.journal import Record
from domain.ports import BrokerGateway, Clock, Scheduler
from domain.settings import Settings
from domain.signal import Cancel, Signal

GatewayMaker = Callable[[Clock, Scheduler], BrokerGateway]
"""Makes the broker on the clock and scheduler that the engine runs on."""


class RunningEngine(Protocol):
    """An engine that was started."""

    settings: Settings

    def tell(self, wish: Signal | Cancel | Mapping[str, object]) -> None:
        """Tell a signal or a cancel."""
        ...

    def ask(self, wish: Signal | Cancel | Mapping[str, object]) -> "Future[Any]":
        """Tell a signal or a cancel; the future is set when it is durable."""
        ...

    def subscribe(
        self, sink: Callable[[Record], None], *, after_seq: int = 0, name: str = ""
    ) -> str:
        """Send every journal record after ``after_seq`` to ``sink``, in order."""
        ...

    def stop(self, *, reason: str = "") -> tuple[str, ...]:
        """Drain, stop, and return what did not stop in time."""
        ...


class VirtualTime(Clock, Scheduler, Protocol):
    """The simulated system's clock, and the crank that turns it."""

    def run_for(self, seconds: float) -> None:
        """Go on for so many virtual seconds."""
        ...

    def run_until(
        self, until: Callable[[], bool] | datetime, *, within_s: float = 86_400.0
    ) -> bool:
        """Go on until a condition holds or a time has come; False when it never does."""
        ...


class LaunchLive(Protocol):
    """Starts an engine on threads and real time."""

    def __call__(
        self,
        settings: Settings,
        *,
        store: Path,
        gateway: GatewayMaker,
    ) -> RunningEngine:
        """Open the store at ``store``, make the gateway, and start."""
        ...


class LaunchSimulated(Protocol):
    """Starts an engine in one thread on virtual time."""

    def __call__(
        self,
        settings: Settings,
        *,
        store: Path,
        gateway: GatewayMaker,
        start: datetime,
        seed: int = 0,
    ) -> tuple[RunningEngine, VirtualTime]:
        """Open the store at ``store``, make the gateway, and start; nothing moves by itself."""
        ...
