"""Several orders in one go of the calls' thread, and what ends a go early."""

from actors.messages import CancelAtBroker, Line, Want
from domain.errors import RateLimitedError
from tests.desks import START
from tests.unit.actors.houses import House, ask

CANCEL = CancelAtBroker(None, "r", 1)


def goes(house):
    """Count the times that the calls' thread was set to work."""
    taken, take = [], house.door.slot.take

    def counted(now_s):
        is_taken = take(now_s)
        taken.append(is_taken)
        return is_taken

    house.door.slot.take = counted
    return taken


def want(house, *names):
    return [Want(house.goer(name), START) for name in names]


def held(house, *names):
    """Let the orders gather in line behind a lookup that takes a second."""
    call_s, house.gateway.call_s = house.gateway.call_s, 1.0
    house.tell(ask(house.asker("first"), Line.LOOK_UP), *want(house, *names), within_s=0.5)
    house.gateway.call_s = call_s


def test_orders_for_a_fast_broker_go_out_together():
    house = House(call_s=0.0)
    held(house, "a", "b", "c", "d", "e")
    taken = goes(house)

    house.tell(within_s=1)

    assert house.made() == ["find_order", *["place_order"] * 5]
    assert sum(taken) == 1
    assert all(house.outcomes(name)[0].value == "place_order" for name in "abcde")


def test_a_broker_that_takes_its_time_gets_one_order_in_each_go():
    house = House(call_s=0.05)
    held(house, "a", "b", "c")
    taken = goes(house)

    house.tell(within_s=2)

    assert house.made() == ["find_order", *["place_order"] * 3]
    assert sum(taken) == 3


def test_each_order_is_answered_before_the_next_call():
    house = House(call_s=0.0)
    held(house, "a", "b")
    house.gateway.hang_from = 2  # The lookup and the first order go through.

    house.tell(within_s=1)

    assert len(house.outcomes("a")) == 1
    assert house.outcomes("b") == []


def test_a_cancel_need_not_wait_for_the_rest_of_a_go():
    house = House(call_s=0.0)
    held(house, *"abcdef")
    house.gateway.on_call = lambda made: (
        made == 3 and house.ref.tell(ask(house.asker("cancel"), Line.CANCEL, CANCEL))
    )
    house.gateway.call_s = 0.0005  # Time for the cancel to be read.

    house.tell(within_s=1)

    made = house.made()
    assert sorted(made) == ["cancel_order", "find_order", *["place_order"] * 6]
    assert made.index("cancel_order") < 5


def test_a_limit_reached_in_the_middle_leaves_the_rest_in_line_and_in_order():
    house = House(call_s=0.0, requests=4)
    held(house, *"abcdef")

    house.tell(within_s=0.9)  # The permit of the lookup has come back by then.
    assert house.made() == ["find_order", *["place_order"] * 4]
    house.tell(within_s=2)

    placed = [args for _, name, args in house.gateway.calls if name == "place_order"]
    assert [request.client_order_id for _, request in placed] == [*"abcdef"]


def test_a_rate_limit_answer_ends_the_go_before_another_request_leaves():
    house = House(call_s=0.0)
    held(house, *"abc")
    error = RateLimitedError("too many", retry_after_s=2.0)
    house.gateway.on_call = lambda made: made == 2 and setattr(house.gateway, "error", error)

    house.tell(within_s=1.5)

    assert house.made() == ["find_order", "place_order"]


def test_what_a_go_left_is_made_once_when_the_actor_fails_on_the_news_of_it():
    house = House(call_s=0.05, requests=3)
    held(house, *"abcd")  # Three of them have a turn; the fourth makes it look for room.
    bucket, opens_in_s = house.door.bucket, house.door.bucket.opens_in_s

    def fails_once(now_s):
        bucket.opens_in_s = opens_in_s
        msg = "no room to be found"
        raise OSError(msg)

    house.gateway.on_call = lambda made: made == 2 and setattr(bucket, "opens_in_s", fails_once)

    house.tell(within_s=4)

    assert bucket.opens_in_s is opens_in_s
    placed = [args[1].client_order_id for _, name, args in house.gateway.calls if name[0] == "p"]
    assert placed[:2] == ["a", "b"]
    assert len(placed) == len(set(placed))
    for name in "bc":
        assert house.outcomes(name), f"{name} waits for nothing"
