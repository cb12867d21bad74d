"""The broker's rate limit as a bucket that never blocks: it says how long to wait."""

import math
from typing import Any

from pyrate_limiter import InMemoryBucket, Rate, RateItem
from pyrate_limiter.abstracts.algorithm import Decision

from domain.settings import RateLimit
from domain.terms import ClientOrderId

# The network bunches requests up; stay this much inside the broker's window.
MARGIN = 1.02
# Far more than can be in doubt, or in line, at once.
PLACEMENTS_KEPT = 10_000


class RequestBucket:
    """A sliding log of the requests of one app key. Outlives actors and trees.

    After a process start it is full, because nobody knows what was sent just before.
    """

    def __init__(self, *, requests: int, window_s: float, now_s: float) -> None:
        self._window_ms = math.ceil(window_s * MARGIN * 1000)
        self._bucket = InMemoryBucket([Rate(requests, self._window_ms)])
        self._closed_until_s = now_s + window_s * MARGIN

    def take(self, now_s: float) -> float:
        """Take a permit and return 0, or return the seconds to wait before asking again."""
        if now_s < self._closed_until_s:
            return self._closed_until_s - now_s
        now_ms = _ms(now_s)
        self._bucket.leak(now_ms)
        decision = self._bucket.put_decision(RateItem("call", now_ms))
        assert isinstance(decision, Decision), "an in-memory bucket answers at once"
        return 0.0 if decision.allowed else max(1, decision.retry_after_ms or 1) / 1000

    def opens_in_s(self, now_s: float) -> float:
        """Return how long the bucket stays closed, whatever is in it."""
        return max(0.0, self._closed_until_s - now_s)

    def close_for(self, seconds: float, now_s: float) -> None:
        """Let nothing through for a while: the broker said that it was too much."""
        self._closed_until_s = max(self._closed_until_s, now_s + seconds)


class CallSlot:
    """One call to the broker at a time, across lives of the actor and of the tree.

    Attributes:
        since_s: Monotonic time at which it was last taken.
        is_wanted: Somebody more urgent waits for it than the new orders it is used for.
    """

    def __init__(self) -> None:
        self.since_s = 0.0
        self.is_wanted = False
        self._ended_s: dict[ClientOrderId, float] = {}
        self._recalled: dict[ClientOrderId, None] = {}
        self._is_taken = False

    def take(self, now_s: float) -> bool:
        """Take the slot, or return False while a call is under way."""
        if self._is_taken:
            return False
        self._is_taken = True
        self.since_s = now_s
        return True

    def release(self) -> None:
        """Free the slot; called by the call itself when it ends."""
        self._is_taken = False

    def note_placed(self, client_order_id: ClientOrderId, now_s: float) -> None:
        """Note that a placement call has ended, however late: what it sent may still arrive."""
        self._ended_s.pop(client_order_id, None)
        self._ended_s[client_order_id] = now_s
        _forget_oldest(self._ended_s)

    def recall(self, client_order_id: ClientOrderId) -> None:
        """Note that no call may place this order any more, whatever life or tree wants it."""
        self._recalled[client_order_id] = None
        _forget_oldest(self._recalled)

    def is_recalled(self, client_order_id: ClientOrderId) -> bool:
        """Return whether the order must not be placed any more."""
        return client_order_id in self._recalled

    def quiet_s(self, client_order_id: ClientOrderId, now_s: float) -> float:
        """Return for how long this process has not been sending that order."""
        return now_s - self._ended_s.get(client_order_id, -math.inf)


def poll_bucket(limit: RateLimit, now_s: float) -> RequestBucket:
    """Return the bucket that keeps polling to its share of the limit."""
    share = max(1, math.floor(limit.requests * limit.poll_share))
    return RequestBucket(requests=share, window_s=limit.window_s, now_s=now_s)


def request_bucket(limit: RateLimit, now_s: float) -> RequestBucket:
    """Return the bucket of the whole limit."""
    return RequestBucket(requests=limit.requests, window_s=limit.window_s, now_s=now_s)


def _forget_oldest(notes: dict[ClientOrderId, Any]) -> None:
    if len(notes) > PLACEMENTS_KEPT:
        del notes[next(iter(notes))]


def _ms(seconds: float) -> int:
    return math.floor(seconds * 1000)
