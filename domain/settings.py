"""Every number that may be tuned, in one frozen value. infra.config fills it."""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

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

    @property
    def settle_s(self) -> float:
        """Return the settle time, counted from ``send_by`` (DESIGN: timeout, then L + 2V)."""
        return self.call_timeout_s + self.latest_accept_s + 2 * self.longest_hidden_s


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """The broker's budget of requests; ``poll_share`` is the most that polling may use of it."""

    requests: int = 20
    window_s: float = 1.0
    poll_share: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """What no order may exceed; None means no limit."""

    max_order_qty: Decimal | None = Decimal(1_000_000)
    max_order_notional: Decimal | None = None


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
