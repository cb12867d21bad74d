"""Restart intensity and backoff."""

from domain.supervision import RestartPolicy

POLICY = RestartPolicy(max_failures=3, window_s=60.0, backoff_first_s=0.1, backoff_longest_s=0.3)


def test_only_failures_of_the_window_count():
    assert POLICY.recent((0.0, 40.0, 99.9), now_s=100.0) == (99.9, 100.0)
    assert POLICY.recent((40.0, 40.1), now_s=100.0) == (40.1, 100.0)


def test_each_restart_waits_twice_as_long_up_to_a_limit():
    waits = [POLICY.backoff_s(tuple(range(count))) for count in (1, 2, 3)]

    assert waits == [0.1, 0.2, 0.3]


def test_too_many_failures_are_not_restarted():
    assert POLICY.backoff_s((1.0, 2.0, 3.0, 4.0)) is None


def test_a_thousand_failures_and_more_wait_the_longest_time():
    unbounded = RestartPolicy(max_failures=10_000, backoff_longest_s=0.3)

    assert unbounded.backoff_s(tuple(range(2_000))) == 0.3


def test_a_wait_may_be_as_short_as_a_test_wants_it():
    assert RestartPolicy(backoff_first_s=0.000_01).backoff_s((1.0,)) == 0.000_01
