"""The broker's own rate limit, counted as requests arrive."""

from collections import deque


class SlidingWindow:
    """At most ``requests`` within any ``window_s``; what is over is not looked at, nor counted."""

    def __init__(self, requests: int, window_s: float) -> None:
        self._requests = requests
        self._window_s = window_s
        self._taken: deque[float] = deque()

    def take(self, now: float) -> float:
        """Count a request that arrives at ``now`` (monotonic seconds).

        Returns:
            Seconds until a request would be looked at: 0 when this one is.
        """
        while self._taken and self._taken[0] <= now - self._window_s:
            self._taken.popleft()
        if len(self._taken) < self._requests:
            self._taken.append(now)
            return 0.0
        return self._taken[0] + self._window_s - now
