"""What goes wrong on the way to the paper broker, inside it and on its stream.

A plan is data: rates drawn from its own seed, and a script for single calls. The same plan and
the same calls give the same faults.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock
from typing import Self, TypeAlias

from domain.errors import InvalidInputError
from domain.terms import Symbol
from infra.brokers.paper.dice import dice


class Operation(StrEnum):
    """What can be made to fail: the gateway's methods, and each message of the stream."""

    PLACE = "place"
    CANCEL = "cancel"
    FIND = "find"
    ORDERS = "orders"
    FILLS = "fills"
    POSITIONS = "positions"
    BALANCE = "balance"
    STREAM = "stream"


class FaultKind(StrEnum):
    """How it fails; FAULTS.md section 3 in brackets."""

    NOT_SENT = "not_sent"  # No connection; after ``seconds``, 0 is refused at once.
    LOST_BEFORE = "answer_lost_before_booking"  # B1, B5: the request never arrives.
    LOST_AFTER = "answer_lost_after_booking"  # B2, B5: done, and nobody says so.
    BOOKED_LATE = "booked_late"  # B3: done ``seconds`` after the caller's timeout.
    HTTP_500_BEFORE = "http_500_before"  # B4: not done.
    HTTP_500_AFTER = "http_500_after"  # B4: done.
    SLOW = "slow"  # B6: the answer takes ``seconds`` longer.
    RATE_LIMITED = "rate_limited"  # B8: come back after ``seconds``.
    ASYNC_REJECT = "async_reject"  # B12: accepted, then refused by the exchange.
    INCOMPLETE = "incomplete"  # B22: part of the rows, and says so.
    LOST = "lost"  # B14
    DUPLICATE = "duplicate"  # B13
    LATE = "late"  # B14: ``seconds`` later.
    REORDERED = "reordered"  # B14: after the next message, or after ``seconds``.
    GAP = "gap"  # B24: lost, and the stream says that it was away.


_CALL = frozenset(
    {
        FaultKind.NOT_SENT,
        FaultKind.LOST_BEFORE,
        FaultKind.LOST_AFTER,
        FaultKind.HTTP_500_BEFORE,
        FaultKind.HTTP_500_AFTER,
        FaultKind.SLOW,
        FaultKind.RATE_LIMITED,
    }
)
_READ = _CALL | {FaultKind.INCOMPLETE}
_STREAM = frozenset(
    {
        FaultKind.LOST,
        FaultKind.DUPLICATE,
        FaultKind.LATE,
        FaultKind.REORDERED,
        FaultKind.GAP,
    }
)
POSSIBLE: Mapping[Operation, frozenset[FaultKind]] = {
    Operation.PLACE: _CALL | {FaultKind.BOOKED_LATE, FaultKind.ASYNC_REJECT},
    Operation.CANCEL: _CALL | {FaultKind.BOOKED_LATE},
    Operation.FIND: _READ,
    Operation.ORDERS: _READ,
    Operation.FILLS: _READ,
    Operation.POSITIONS: _READ,
    Operation.BALANCE: _CALL,
    Operation.STREAM: _STREAM,
}

_DEFAULT_SECONDS: Mapping[FaultKind, float] = {
    FaultKind.BOOKED_LATE: 0.1,
    FaultKind.SLOW: 1.0,
    FaultKind.RATE_LIMITED: 1.0,
    FaultKind.LATE: 1.0,
    FaultKind.REORDERED: 1.0,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong. ``seconds`` as its kind says; None is the kind's default."""

    kind: FaultKind
    seconds: float | None = None

    @property
    def wait_s(self) -> float:
        """Return the seconds that the kind asks for."""
        return _DEFAULT_SECONDS.get(self.kind, 0.0) if self.seconds is None else self.seconds


Planned: TypeAlias = Fault | str | None
ScriptKey: TypeAlias = tuple[str, int | str]
_Key: TypeAlias = tuple[Operation, int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """Which faults happen, and when.

    Attributes:
        seed: Of the draws for ``rates``.
        rates: Probability of each kind, on every operation that it is possible for.
        scripted: Faults for single calls, in the order in which they come; use ``script``.
    """

    seed: int = 0
    rates: Mapping[FaultKind, float] = field(default_factory=dict)
    scripted: Mapping[_Key, tuple[Fault | None, ...]] = field(default_factory=dict)

    @classmethod
    def script(
        cls,
        calls: Mapping[ScriptKey, Planned | Sequence[Planned]],
        *,
        seed: int = 0,
        rates: Mapping[str, float] | None = None,
    ) -> Self:
        """Return a plan for single calls.

        Args:
            calls: By operation and its running number from 1, or by operation and symbol. Several
                faults are used one a call; None among them is a call that works.
            seed: Of the draws for ``rates``.
            rates: Faults by chance, where the script is silent.

        Raises:
            InvalidInputError: An unknown operation or kind, or a kind that cannot happen there.
        """
        scripted = {_key(key): _planned(key, value) for key, value in calls.items()}
        chances = {_kind(name): chance for name, chance in (rates or {}).items()}
        return cls(seed=seed, rates=chances, scripted=scripted)


class Faults:
    """A plan as it is used up; thread-safe."""

    def __init__(self, plan: FaultPlan) -> None:
        self._plan = plan
        self._random = dice(plan.seed, "faults")
        self._count = dict.fromkeys(Operation, 0)
        self._used: dict[_Key, int] = {}
        self._lock = Lock()

    def next(self, operation: Operation, symbol: Symbol | None) -> Fault | None:
        """Return what goes wrong with the next call of ``operation``, or None."""
        with self._lock:
            self._count[operation] += 1
            by_number: _Key = (operation, self._count[operation])
            if by_number in self._plan.scripted:
                return self._plan.scripted[by_number][0]
            by_symbol: _Key = (operation, symbol or "")
            used = self._used.get(by_symbol, 0)
            planned = self._plan.scripted.get(by_symbol, ())
            if used < len(planned):
                self._used[by_symbol] = used + 1
                return planned[used]
            return self._drawn(operation)

    def _drawn(self, operation: Operation) -> Fault | None:
        if not self._plan.rates:
            return None
        draw = self._random.random()
        for kind in FaultKind:
            if kind not in POSSIBLE[operation]:
                continue
            draw -= self._plan.rates.get(kind, 0.0)
            if draw < 0:
                return Fault(kind)
        return None


def _key(key: ScriptKey) -> _Key:
    if key[0] not in set(Operation):
        raise InvalidInputError("faults", f"{key[0]!r} is none of {', '.join(Operation)}.")
    return Operation(key[0]), key[1]


def _kind(name: str) -> FaultKind:
    if name not in set(FaultKind):
        raise InvalidInputError("faults", f"{name!r} is none of {', '.join(FaultKind)}.")
    return FaultKind(name)


def _planned(key: ScriptKey, value: Planned | Sequence[Planned]) -> tuple[Fault | None, ...]:
    several = (value,) if value is None or isinstance(value, Fault | str) else tuple(value)
    faults = tuple(_fault(each) for each in several)
    if isinstance(key[1], int) and len(faults) != 1:
        raise InvalidInputError("faults", f"give one fault for call {key[1]} of {key[0]}.")
    for fault in faults:
        if fault is not None and fault.kind not in POSSIBLE[Operation(key[0])]:
            raise InvalidInputError("faults", f"{fault.kind} cannot happen to {key[0]}.")
    return faults


def _fault(planned: Planned) -> Fault | None:
    return Fault(_kind(planned)) if isinstance(planned, str) else planned
