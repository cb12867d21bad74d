"""What all orders of an engine share, and what they wait for."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from domain.broker import BrokerCapabilities
from domain.ports import Journal
from domain.settings import AbsentPolicy, Settings


class Wait(StrEnum):
    """What an order waits for, each with its timer."""

    TURN = "TURN"
    ANSWER = "ANSWER"
    RETRY = "RETRY"
    LOOK_UP = "LOOK_UP"
    LOOKED_UP = "LOOKED_UP"
    CANCEL = "CANCEL"
    CANCELLED = "CANCELLED"
    END = "END"
    CLAIM = "CLAIM"
    TOTAL = "TOTAL"
    FOLLOW = "FOLLOW"


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Whom an order tells what; callables, so that a test can listen."""

    broker: Callable[[Any], None]
    tracker: Callable[[Any], None]
    executor: Callable[[Any], None]
    held: Callable[[Any], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTools:
    """What all orders of an engine share."""

    journal: Journal
    settings: Settings
    broker: BrokerCapabilities
    next_wait: Callable[[int, str], float | None]
    to: Neighbours

    @property
    def is_claiming(self) -> bool:
        """True when orders are found by their looks, so that each needs its look for itself."""
        return not self.broker.carries_client_ids

    @property
    def is_strict(self) -> bool:
        """True when a person decides about an order that is not found."""
        default = AbsentPolicy.STRICT if self.is_claiming else AbsentPolicy.AUTOMATIC
        return (self.settings.absent_policy or default) is AbsentPolicy.STRICT
