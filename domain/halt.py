"""A halt: what may not be sent until somebody says that it may."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias, assert_never

from domain.checks import id_text, require
from domain.errors import InvalidInputError
from domain.signal import LONGEST_REASON, parse_symbol
from domain.terms import StrategyId, Symbol

_HOW = "give account, strategy:NAME or symbol:CODE"


class HaltKind(StrEnum):
    """What a halt is about."""

    ACCOUNT = "account"
    STRATEGY = "strategy"
    SYMBOL = "symbol"


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltScope:
    """Which orders a halt holds back; ``name`` is the strategy or symbol, empty for the account."""

    kind: HaltKind = HaltKind.ACCOUNT
    name: str = ""

    def __str__(self) -> str:
        """Return the scope as it is written on a command line."""
        return f"{self.kind}:{self.name}" if self.name else str(self.kind)

    def covers(self, symbol: Symbol, strategy_id: StrategyId) -> bool:
        """Return whether an order of that symbol and strategy is held back."""
        match self.kind:
            case HaltKind.ACCOUNT:
                return True
            case HaltKind.STRATEGY:
                return self.name == strategy_id
            case HaltKind.SYMBOL:
                return self.name == symbol
            case _:
                assert_never(self.kind)


ACCOUNT = HaltScope()


@dataclass(frozen=True, slots=True, kw_only=True)
class Halted:
    """No new order of the scope leaves from here on; cancels and questions do."""

    scope: HaltScope
    reason: str
    requested_by: str
    at: datetime

    @property
    def text(self) -> str:
        """Say what is halted, since when, by whom and why."""
        by = f" by {self.requested_by}" if self.requested_by else ""
        since = self.at.isoformat(sep=" ", timespec="seconds")
        return f"{self.scope} is halted since {since}{by}: {self.reason.rstrip('.')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """The halt of the scope is over; other halts stand."""

    scope: HaltScope
    reason: str
    requested_by: str
    at: datetime


HaltEvent: TypeAlias = Halted | Resumed


def parse_scope(value: object) -> HaltScope:
    """Return a scope from outside: ``account``, ``strategy:NAME`` or ``symbol:CODE``.

    Raises:
        InvalidInputError: It is none of these.
    """
    kind, _, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    if value == HaltKind.ACCOUNT:
        return ACCOUNT
    try:
        if kind == HaltKind.STRATEGY:
            return HaltScope(kind=HaltKind.STRATEGY, name=id_text("scope", name))
        if kind == HaltKind.SYMBOL:
            return HaltScope(kind=HaltKind.SYMBOL, name=parse_symbol(name))
    except InvalidInputError as error:
        problem = str(error).partition(": ")[2]
        raise InvalidInputError("scope", f"of the {kind}, {problem}") from error
    raise InvalidInputError("scope", _HOW)


def parse_reason(value: object) -> str:
    """Return why; an empty reason explains nothing to whoever comes next.

    Raises:
        InvalidInputError: Empty, too long, or not printable.
    """
    text = value.strip() if isinstance(value, str) else ""
    is_usable = 0 < len(text) <= LONGEST_REASON and text.isprintable()
    require("reason", is_usable, f"say why, in at most {LONGEST_REASON} printable characters")
    return text


def halts_after(
    halts: Mapping[HaltScope, Halted], events: Iterable[HaltEvent]
) -> dict[HaltScope, Halted]:
    """Return the halts in force after ``events``; a halt told again keeps its beginning."""
    left = dict(halts)
    for event in events:
        if isinstance(event, Resumed):
            left.pop(event.scope, None)
        else:
            left.setdefault(event.scope, event)
    return left
