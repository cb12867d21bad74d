"""Every number that may be tuned, in one frozen value. infra.config fills it."""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from domain.errors import InvalidInputError
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
    """

    call_timeout_s: float = 5.0
    latest_accept_s: float = 0.2
    longest_hidden_s: float = 0.5
    send_window_s: float = 2.0
    overdue_grace_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuse times that cannot be: without a bound on a call there is no settle time."""
        for name in ("call_timeout_s", "send_window_s", "overdue_grace_s"):
            _require_seconds(name, getattr(self, name), least=0.001)
        for name in ("latest_accept_s", "longest_hidden_s"):
            _require_seconds(name, getattr(self, name), least=0.0)

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
        _require("requests", self.requests >= 1, "allow at least 1 request in the window")
        _require_seconds("window_s", self.window_s, least=0.001)
        _require("poll_share", 0 < self.poll_share <= 1, "give a share above 0 and at most 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """What no order may exceed; None means no limit."""

    max_order_qty: Decimal | None = Decimal(1_000_000)
    max_order_notional: Decimal | None = None

    def __post_init__(self) -> None:
        """Refuse limits that no order could keep."""
        for name in ("max_order_qty", "max_order_notional"):
            limit = getattr(self, name)
            is_usable = limit is None or (limit.is_finite() and limit > 0)
            _require(name, is_usable, "give an amount above 0, or None for no limit")


LONGEST_S = 10.0**9
MOST_CANCELS = 999  # Their number has three digits in the request id.
PAPER = AccountId("paper")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One engine's settings: one account, one store, one broker.

    Attributes:
        signal_deadline: An order not sent by then is FAILED; counted from the signal's arrival.
        retry_waits_s: Waits before the second, third and fourth attempt of a placement.
        market_timeout_s: A market order open longer than this raises ``order.overdue``.
        cancel_overdue: Cancel what is overdue as well.
        max_unsent: Orders that may wait PENDING; above it a signal is refused as busy.
        max_tree_rebuilds: How often a failed actor tree is built again before the engine fails.
    """

    account_id: AccountId = PAPER
    broker: str = "paper"
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
    max_cancel_requests: int = 5
    max_unsent: int = 10_000
    max_tree_rebuilds: int = 3
    stop_timeout_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuse settings under which the engine could not keep its promises."""
        _require("account_id", bool(self.account_id.strip()), "name the account")
        _require("signal_deadline", self.signal_deadline > timedelta(0), "give a time above 0")
        for wait_s in self.retry_waits_s:
            _require_seconds("retry_waits_s", wait_s, least=0.0)
        for name in ("turn_timeout_s", "poll_active_s", "poll_idle_s", "reconcile_s"):
            _require_seconds(name, getattr(self, name), least=0.01)
        for name in ("market_timeout_s", "stop_timeout_s"):
            _require_seconds(name, getattr(self, name), least=0.01)
        _require(
            "max_cancel_requests",
            1 <= self.max_cancel_requests <= MOST_CANCELS,
            f"give 1 to {MOST_CANCELS}",
        )
        _require("max_unsent", self.max_unsent >= 1, "let at least 1 order wait")
        _require("max_tree_rebuilds", self.max_tree_rebuilds >= 0, "give 0 or more")


def _require(name: str, is_usable: bool, problem: str) -> None:
    if not is_usable:
        raise InvalidInputError(name, problem)


def _require_seconds(name: str, seconds: float, *, least: float) -> None:
    # NaN compares false with everything, so it is refused as well.
    _require(name, least <= seconds < LONGEST_S, f"give seconds, at least {least}")
