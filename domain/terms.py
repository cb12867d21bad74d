"""The words of the trade: identifiers and closed lists (FIX 4.4 tags beside them)."""

from decimal import Decimal
from enum import StrEnum
from typing import NewType

AccountId = NewType("AccountId", str)  # Account 1
Symbol = NewType("Symbol", str)  # Symbol 55
SignalId = NewType("SignalId", str)  # The caller's own id of a signal.
StrategyId = NewType("StrategyId", str)
ClientOrderId = NewType("ClientOrderId", str)  # ClOrdID 11
BrokerOrderId = NewType("BrokerOrderId", str)  # OrderID 37
ExecId = NewType("ExecId", str)  # ExecID 17
RequestId = NewType("RequestId", str)  # ClOrdID 11 of a cancel request

ZERO = Decimal(0)


class Side(StrEnum):
    """Side (FIX 54)."""

    BUY = "BUY"  # 1
    SELL = "SELL"  # 2

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    """OrdType (FIX 40)."""

    MARKET = "MARKET"  # 1
    LIMIT = "LIMIT"  # 2


class TimeInForce(StrEnum):
    """TimeInForce (FIX 59)."""

    DAY = "DAY"  # 0
    IOC = "IOC"  # 3
    FOK = "FOK"  # 4


class Standing(StrEnum):
    """What the venue says of an open order beside its status (FIX OrdStatus 39)."""

    WORKING = "WORKING"
    STOPPED = "STOPPED"  # 7: an execution is guaranteed, and has not been made.
    SUSPENDED = "SUSPENDED"  # 9: not matched for now, as in a trading halt.


class Verdict(StrEnum):
    """What a person found out about an order in doubt."""

    ADOPT = "ADOPT"  # The broker has it, under a number that is named.
    ABSENT = "ABSENT"  # The broker never took it.


class OrderStatus(StrEnum):
    """Where an order is in its life (FIX OrdStatus 39); derived from facts, never stored alone."""

    PENDING = "PENDING"  # Journaled here, not sent; also while queued or waiting to retry.
    SUBMITTED = "SUBMITTED"  # A until the broker's number is known, then 0 NEW.
    IN_DOUBT = "IN_DOUBT"  # Sent, the answer was lost; being looked up.
    PARTIAL = "PARTIAL"  # 1
    FILLED = "FILLED"  # 2
    CANCELLED = "CANCELLED"  # 4
    EXPIRED = "EXPIRED"  # C
    REJECTED = "REJECTED"  # 8: the broker said no.
    FAILED = "FAILED"  # Proved never accepted, or given up before sending.

    @property
    def is_terminal(self) -> bool:
        """True when nothing is open at the broker, as far as we know."""
        return self in TERMINAL


TERMINAL = frozenset(
    {
        OrderStatus.FILLED,
        OrderStatus.CANCELLED,
        OrderStatus.EXPIRED,
        OrderStatus.REJECTED,
        OrderStatus.FAILED,
    }
)
