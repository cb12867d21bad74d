"""The rate limit: a bucket that never blocks, and one call at a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.limits import MARGIN, CallSlot, RequestBucket, poll_bucket, request_bucket
from domain.settings import RateLimit


def a_bucket(requests=20, now_s=0.0):
    return RequestBucket(requests=requests, window_s=1.0, now_s=now_s)


def opened(requests=20):
    """Return a bucket whose first window is over, and the time."""
    bucket = a_bucket(requests)
    return bucket, 10.0


def test_a_new_bucket_is_full_because_nobody_knows_what_was_sent_before():
    bucket = a_bucket(now_s=5.0)

    assert bucket.take(5.0) == pytest.approx(MARGIN)
    assert bucket.opens_in_s(5.5) == pytest.approx(MARGIN - 0.5)
    assert bucket.take(5.0 + MARGIN) == 0.0


def test_as_many_as_the_limit_go_at_once_and_the_next_one_is_told_how_long_to_wait():
    bucket, now_s = opened()

    assert [bucket.take(now_s) for _ in range(20)] == [0.0] * 20
    wait_s = bucket.take(now_s)
    assert 1.0 < wait_s <= MARGIN + 0.002
    assert bucket.take(now_s + wait_s) == 0.0


def test_being_told_to_wait_uses_no_permit():
    bucket, now_s = opened(1)
    assert bucket.take(now_s) == 0.0

    for _ in range(10):
        assert bucket.take(now_s + 0.5) > 0

    assert bucket.take(now_s + 1.03) == 0.0


def test_a_rate_limit_answer_closes_the_bucket_and_never_opens_it_sooner():
    bucket, now_s = opened()

    bucket.close_for(3.0, now_s)
    bucket.close_for(1.0, now_s)

    assert bucket.take(now_s) == pytest.approx(3.0)
    assert bucket.take(now_s + 3.0) == 0.0


def test_polling_has_its_share_of_the_limit_and_at_least_one():
    now_s = 10.0
    share, small = poll_bucket(RateLimit(requests=20), 0.0), poll_bucket(RateLimit(requests=2), 0.0)

    assert [share.take(now_s) > 0 for _ in range(7)] == [False] * 6 + [True]
    assert [small.take(now_s) > 0 for _ in range(2)] == [False, True]


@given(st.lists(st.floats(0.0, 0.3), min_size=50, max_size=150), st.integers(1, 20))
def test_no_window_ever_holds_more_than_the_limit(pauses, requests):
    bucket = request_bucket(RateLimit(requests=requests), 0.0)
    now_s, taken = 0.0, []

    for pause_s in pauses:
        now_s += pause_s
        if bucket.take(now_s) == 0:
            taken.append(now_s)

    later = taken[requests:]
    assert all(late - early > 1.0 for early, late in zip(taken, later, strict=False))


def test_one_call_at_a_time_holds_the_slot():
    slot = CallSlot()

    assert slot.take(1.0)
    assert not slot.take(1.0)
    slot.release()
    assert slot.take(1.0)
