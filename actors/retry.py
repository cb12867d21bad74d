"""When to try again: tenacity decides, nobody sleeps."""

from collections.abc import Callable

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_base

from domain.errors import NotSentError


class _Waits(wait_base):
    """The n-th wait of a fixed list, in seconds; the last one repeats."""

    def __init__(self, waits_s: tuple[float, ...]) -> None:
        self._waits_s = waits_s

    def __call__(self, retry_state: RetryCallState) -> float:
        last = len(self._waits_s) - 1
        return self._waits_s[min(retry_state.attempt_number - 1, last)] if last >= 0 else 0.0


def retry_waits(waits_s: tuple[float, ...]) -> Callable[[int, str], float | None]:
    """Return ``next_wait(attempt, reason)``: seconds until the next attempt, None after the last.

    The count comes from the order, which survives kill -9; the policy keeps none. Only what is
    certain not to have happened is tried again, so every failure is stepped as NotSentError.
    """
    policy = Retrying(
        stop=stop_after_attempt(len(waits_s) + 1),
        wait=_Waits(waits_s),
        retry=retry_if_exception_type(NotSentError),
        reraise=True,
    )

    def next_wait(attempt: int, reason: str) -> float | None:
        error = NotSentError(reason)
        state = RetryCallState(policy, None, (), {})
        state.attempt_number = attempt
        state.set_exception((NotSentError, error, None))
        # tenacity keeps its statistics in the thread; without this the first step raises.
        policy.begin()
        try:
            step = policy.iter(state)
        except NotSentError:
            return None
        assert isinstance(step, float), "tenacity answers a failure with DoSleep, a float"
        return float(step)

    return next_wait
