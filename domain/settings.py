"""Every number that may be tuned, in one frozen value. infra.config fills it."""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from domain.checks import (
    id_text,
    is_number,
    require,
    require_kind,
    require_seconds,
    require_whole,
)
from domain.fees import FeeSchedule
from domain.instrument import Instruments
from domain.session import Session
from domain.supervision import RestartPolicy
from domain.terms import AccountId


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerTiming:
    """How long a broker may take, in seconds; the settle time is computed from these.

    Attributes:
        call_timeout_s: Total time of one call, connect included.
        latest_accept_s: L: the latest that a sent request may still be accepted.
        longest_hidden_s: V: the longest that an accepted order may be missing from queries.
        send_window_s: ``send_by`` lies this long after SubmitStarted.
        overdue_grace_s: A call this long past its timeout stops the engine.
        clock_skew_s: How far the broker's clock may be from ours, its rounding to whole seconds
            included; only where orders are found by what they look like.
    """

    call_timeout_s: float = 5.0
    latest_accept_s: float = 0.2
    longest_hidden_s: float = 0.5
    send_window_s: float = 2.0
    overdue_grace_s: float = 10.0
    clock_skew_s: float = 2.0

    def __post_init__(self) -> None:
        """Refuse times that cannot be: without a bound on a call there is no settle time."""
        for name in ("call_timeout_s", "send_window_s", "overdue_grace_s"):
            require_seconds(name, getattr(self, name), least=0.001)
        for name in ("latest_accept_s", "longest_hidden_s", "clock_skew_s"):
            require_seconds(name, getattr(self, name), least=0.0)

    @property
    def hidden_s(self) -> float:
        """Return how long what was sent may take to be accepted and to be seen (L + 2V)."""
        return self.latest_accept_s + 2 * self.longest_hidden_s

    @property
    def settle_s(self) -> float:
        """Return the settle time, counted from ``send_by`` (DESIGN: timeout, then L + 2V)."""
        return self.call_timeout_s + self.hidden_s


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """The broker's budget of requests; ``poll_share`` is the most that polling may use of it."""

    requests: int = 20
    window_s: float = 1.0
    poll_share: float = 0.3

    def __post_init__(self) -> None:
        """Refuse a limit under which nothing could ever be sent."""
        require_whole("requests", self.requests, least=1)
        require_seconds("window_s", self.window_s, least=0.001)
        is_share = is_number(self.poll_share) and 0 < self.poll_share <= 1
        require("poll_share", is_share, "give a share above 0 and at most 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """What no order may exceed; None means no limit."""

    max_order_qty: Decimal | None = Decimal(1_000_000)
    max_order_notional: Decimal | None = None

    def __post_init__(self) -> None:
        """Refuse limits that no order could keep."""
        for name in ("max_order_qty", "max_order_notional"):
            limit = getattr(self, name)
            is_amount = isinstance(limit, Decimal) and limit.is_finite() and limit > 0
            problem = "give a Decimal above 0, for example Decimal(100), or None for no limit"
            require(name, limit is None or is_amount, problem)


class AbsentPolicy(StrEnum):
    """What follows when a settled, complete look did not find an order in doubt."""

    AUTOMATIC = "AUTOMATIC"  # It is believed: the next attempt, by the retry policy.
    STRICT = "STRICT"  # It stays in doubt, flagged, until a person resolves it.


LONGEST_DEADLINE = timedelta(days=30)
MOST_CANCELS = 999  # Their number has three digits in the request id.
PAPER = AccountId("paper")
BROKER = "paper"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One engine's settings: one account, one store, one broker.

    Attributes:
        signal_deadline: An order not sent by then is FAILED; counted from the signal's arrival.
        retry_waits_s: Waits before the second, third and fourth attempt of a placement.
        market_timeout_s: A market order open longer than this raises ``order.overdue``.
        cancel_overdue: Cancel what is overdue as well.
        max_unsent: Orders that may wait PENDING; above it a signal is refused as busy.
        absent_policy: When an order in doubt is not found. None: AUTOMATIC where the broker
            carries our ids, STRICT where it does not.
        max_tree_rebuilds: How often a failed actor tree is built again before the engine fails.
    """

    account_id: AccountId = PAPER
    broker: str = BROKER
    instruments: Instruments = field(default_factory=Instruments)
    session: Session = field(default_factory=Session)
    fees: FeeSchedule = field(default_factory=FeeSchedule)
    timing: BrokerTiming = field(default_factory=BrokerTiming)
    rate: RateLimit = field(default_factory=RateLimit)
    risk: RiskLimits = field(default_factory=RiskLimits)
    restarts: RestartPolicy = field(default_factory=RestartPolicy)
    signal_deadline: timedelta = timedelta(seconds=30)
    retry_waits_s: tuple[float, ...] = (1.0, 2.0, 4.0)
    turn_timeout_s: float = 2.0
    poll_active_s: float = 1.0
    poll_idle_s: float = 5.0
    reconcile_s: float = 60.0
    market_timeout_s: float = 60.0
    cancel_overdue: bool = False
    absent_policy: AbsentPolicy | None = None
    max_cancel_requests: int = 5
    max_unsent: int = 10_000
    max_tree_rebuilds: int = 3
    stop_timeout_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuse settings under which the engine could not keep its promises."""
        id_text("account_id", self.account_id)
        require("broker", self.broker == BROKER, f'give "{BROKER}", the only broker built in')
        for name, kind in _PARTS.items():
            require_kind(name, getattr(self, name), kind)
        self._check_times()
        require("cancel_overdue", isinstance(self.cancel_overdue, bool), "give True or False")
        is_policy = self.absent_policy is None or isinstance(self.absent_policy, AbsentPolicy)
        require("absent_policy", is_policy, "give an AbsentPolicy, or None for the broker's own")
        require_whole("max_cancel_requests", self.max_cancel_requests, least=1, most=MOST_CANCELS)
        require_whole("max_unsent", self.max_unsent, least=1)
        require_whole("max_tree_rebuilds", self.max_tree_rebuilds, least=0)

    def _check_times(self) -> None:
        _require_deadline("signal_deadline", self.signal_deadline)
        is_tuple = isinstance(self.retry_waits_s, tuple)
        require("retry_waits_s", is_tuple, "give a tuple of seconds, for example (1.0, 2.0, 4.0)")
        for wait_s in self.retry_waits_s:
            require_seconds("retry_waits_s", wait_s, least=0.0)
        for name in _TIMES:
            require_seconds(name, getattr(self, name), least=0.01)


def _require_deadline(name: str, value: object) -> None:
    # Longer ones run out of the calendar when they are added to a day.
    is_usable = isinstance(value, timedelta) and timedelta(0) < value <= LONGEST_DEADLINE
    require(name, is_usable, f"give a timedelta above 0, at most {LONGEST_DEADLINE.days} days")


_PARTS = {
    "instruments": Instruments,
    "session": Session,
    "fees": FeeSchedule,
    "timing": BrokerTiming,
    "rate": RateLimit,
    "risk": RiskLimits,
    "restarts": RestartPolicy,
}
_TIMES = (
    "turn_timeout_s",
    "poll_active_s",
    "poll_idle_s",
    "reconcile_s",
    "market_timeout_s",
    "stop_timeout_s",
)
