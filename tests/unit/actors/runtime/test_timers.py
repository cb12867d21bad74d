"""The heap of timers."""

from actors.runtime.timers import TimerHeap


def test_actions_come_by_due_time_and_then_in_the_order_they_were_set():
    heap = TimerHeap()
    actions = [lambda: 1, lambda: 2, lambda: 3]
    for due_s, action in zip((2.0, 1.0, 1.0), actions, strict=True):
        heap.push(due_s, action)

    taken = [heap.pop_due(1.0), heap.pop_due(1.0), heap.pop_due(1.0), heap.pop_due(2.0)]

    assert taken == [actions[1], actions[2], None, actions[0]]
    assert heap.next_due() is None


def test_a_cancelled_timer_never_comes_and_cancelling_again_changes_nothing():
    heap = TimerHeap()
    first, second = heap.push(1.0, print), heap.push(2.0, print)

    first.cancel()
    first.cancel()

    assert heap.next_due() == 2.0
    assert heap.pop_due(3.0) is print
    second.cancel()
    assert heap.next_due() is None


def test_memory_of_cancelled_timers_is_given_back():
    heap = TimerHeap()
    kept = heap.push(5.0, print)

    for _ in range(10_000):
        heap.push(9.0, print).cancel()

    assert len(heap) < 200
    assert heap.next_due() == kept.due_s
