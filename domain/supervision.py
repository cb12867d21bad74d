"""How often a failed actor may start again, and how long it waits first (Erlang/OTP's rule)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """At most ``max_failures`` in ``window_s``; each restart waits longer than the one before.

    Source: Erlang/OTP supervisor "intensity" and "period".
    """

    max_failures: int = 5
    window_s: float = 60.0
    backoff_first_s: float = 0.1
    backoff_longest_s: float = 30.0

    def recent(self, failures: tuple[float, ...], now_s: float) -> tuple[float, ...]:
        """Return the failures of the window that ends now, this one (``now_s``) included."""
        return (*(at for at in failures if now_s - at < self.window_s), now_s)

    def backoff_s(self, failures: tuple[float, ...]) -> float | None:
        """Return the wait before the next start, or None when there were too many failures."""
        if len(failures) > self.max_failures:
            return None
        doubled: float = self.backoff_first_s * 2 ** (len(failures) - 1)
        return min(self.backoff_longest_s, doubled)
