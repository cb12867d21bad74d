"""How the paper broker behaves when nothing is broken, in one frozen value."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperSettings:
    """The paper broker's own settings; the engine's are elsewhere, as with any broker.

    Attributes:
        currency: Of the cash account.
        latency_s: Shortest and longest round trip; half of it is the way there.
        timeout_s: Total time of a call; then its outcome is unknown.
        participation: The most of a quote's volume that our orders may take together.
        rate_limit: Requests that the broker looks at within ``rate_window_s``.
        rate_grace_s: How much closer than the window requests may arrive: what the way there
            adds or takes away is not the sender's fault. None: half of the longest round trip.
        shorting: Whether more may be sold than is held.
        hidden_s: V: an accepted order and its fills are missing from queries for this long.
        cancel_s: Time from a cancel's acceptance to its effect; 0 cancels at once.
        async_reject_s: Time from acceptance to the exchange's refusal (fault ``async_reject``).
        client_ids: Whether it carries our ids. Without, nothing can be found by them, and a second
            order under one id is a second order.
        exec_ids: Whether executions are told one by one; without, only totals are.
        power_safe: Whether a commit outlives a power cut; any outlives a kill of the process.
    """

    currency: str = "KRW"
    latency_s: tuple[float, float] = (0.005, 0.03)
    timeout_s: float = 5.0
    participation: Decimal = Decimal("0.1")
    rate_limit: int = 20
    rate_window_s: float = 1.0
    rate_grace_s: float | None = None
    shorting: bool = True
    hidden_s: float = 0.0
    cancel_s: float = 0.0
    async_reject_s: float = 0.05
    client_ids: bool = True
    exec_ids: bool = True
    power_safe: bool = True
