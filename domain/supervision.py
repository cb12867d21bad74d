"""How often a failed actor may start again, and how long it waits first (Erlang/OTP's rule)."""

from dataclasses import dataclass

from domain.checks import LONGEST_S, is_number, require, require_whole

# A float holds two to this power, and no power much higher.
_MOST_DOUBLINGS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """At most ``max_failures`` in ``window_s``; each restart waits longer than the one before.

    Source: Erlang/OTP supervisor "intensity" and "period".

    Raises:
        InvalidInputError: A number that no restart could go by; it is named.
    """

    max_failures: int = 5
    window_s: float = 60.0
    backoff_first_s: float = 0.1
    backoff_longest_s: float = 30.0

    def __post_init__(self) -> None:
        require_whole("max_failures", self.max_failures, least=0)
        for name in ("window_s", "backoff_first_s", "backoff_longest_s"):
            seconds = getattr(self, name)
            is_usable = is_number(seconds) and 0 < seconds < LONGEST_S
            require(name, is_usable, f"give seconds, above 0 and below {LONGEST_S:.0f}")

    def recent(self, failures: tuple[float, ...], now_s: float) -> tuple[float, ...]:
        """Return the failures of the window that ends now, this one (``now_s``) included."""
        return (*(at for at in failures if now_s - at < self.window_s), now_s)

    def backoff_s(self, failures: tuple[float, ...]) -> float | None:
        """Return the wait before the next start, or None when there were too many failures."""
        if len(failures) > self.max_failures:
            return None
        doublings = min(len(failures) - 1, _MOST_DOUBLINGS)
        doubled: float = self.backoff_first_s * 2.0**doublings
        return min(self.backoff_longest_s, doubled)
