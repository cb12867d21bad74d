"""When to try again."""

from threading import Thread

import pytest

from actors.retry import retry_waits


def test_the_waits_are_those_of_the_specification_and_end_with_the_fourth_attempt():
    next_wait = retry_waits((1.0, 2.0, 4.0))

    assert [next_wait(n, "no connection") for n in (1, 2, 3, 4)] == [1.0, 2.0, 4.0, None]


@pytest.mark.parametrize(
    ("waits_s", "expected"), [((), [None]), ((0.5,), [0.5, None]), ((3.0, 3.0), [3.0, 3.0, None])]
)
def test_as_many_retries_as_there_are_waits(waits_s, expected):
    next_wait = retry_waits(waits_s)

    assert [next_wait(n, "x") for n in range(1, len(waits_s) + 2)] == expected


def test_an_order_that_has_used_up_more_than_all_attempts_gets_none():
    assert retry_waits((1.0,))(17, "x") is None


def test_the_policy_keeps_no_count_so_orders_do_not_share_theirs():
    next_wait = retry_waits((1.0, 2.0, 4.0))

    assert [next_wait(n, "x") for n in (3, 1, 4, 1, 2)] == [4.0, 1.0, None, 1.0, 2.0]


def test_it_answers_in_a_thread_that_never_used_tenacity():
    next_wait, answers = retry_waits((1.0, 2.0)), []
    thread = Thread(target=lambda: answers.append(next_wait(2, "x")))

    thread.start()
    thread.join()

    assert answers == [2.0]
