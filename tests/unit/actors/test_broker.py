"""The only door to the broker: one call at a time, the most urgent first, never too late."""

from datetime import timedelta

from actors.errors import WithheldError
from actors.handoff import Unwant
from actors.messages import (
    CancelAtBroker,
    Go,
    Line,
    ListOrders,
    Place,
    Ticket,
    Turn,
    Want,
)
from domain.errors import NotSentError, OutcomeUnknownError, RateLimitedError
from tests.desks import START
from tests.unit.actors.houses import House, a_request, ask


def test_calls_are_made_one_at_a_time():
    house = House()

    house.tell(*(ask(house.asker(f"a{n}"), Line.LOOK_UP) for n in range(5)), within_s=3)

    assert house.gateway.most == 1
    assert len(house.gateway.calls) == 5


def test_a_cancel_goes_before_a_lookup_before_a_new_order_before_a_poll():
    house = House()
    house.tell(ask(house.asker("first"), Line.LOOK_UP))
    house.tell(
        ask(house.asker("poll"), Line.POLL, ListOrders(START)),
        Want(house.goer("order"), START),
        ask(house.asker("look"), Line.LOOK_UP),
        ask(house.asker("cancel"), Line.CANCEL, CancelAtBroker(None, "r", 1)),
        within_s=3,
    )

    names = ["find_order", "cancel_order", "find_order", "place_order", "list_orders"]
    assert house.made() == names


def test_polling_keeps_to_its_share():
    house = House(call_s=0.001)
    pollers = [house.asker(f"p{n}") for n in range(20)]

    house.tell(*(ask(one, Line.POLL, ListOrders(START)) for one in pollers), within_s=4)

    times = [at for at, _, _ in house.gateway.calls]
    assert len(times) == 20
    assert all(late - early > 1.0 for early, late in zip(times, times[6:], strict=False))


def test_polling_has_its_share_under_a_flood_of_orders():
    house = House(call_s=0.001, requests=5)
    house.tell(*(Want(house.goer(f"o{n}"), START) for n in range(60)))

    house.tell(ask(house.asker("poll"), Line.POLL, ListOrders(START)), within_s=3)

    assert house.outcomes("poll")


def test_new_orders_and_polling_have_their_share_under_a_flood_of_lookups():
    house = House(call_s=0.1)
    house.tell(*(ask(house.asker(f"look{n}"), Line.LOOK_UP) for n in range(40)))

    house.tell(
        Want(house.goer("order"), START),
        ask(house.asker("poll"), Line.POLL, ListOrders(START)),
        within_s=2,
    )

    assert {"place_order", "list_orders"} <= set(house.made())
    assert house.made().count("find_order") > 10


def test_the_permit_is_taken_at_the_call_and_not_with_the_turn():
    house = House(call_s=0.001, requests=1)
    idle = house.asker("idle")

    house.tell(Want(idle, START))
    house.tell(ask(house.asker("look"), Line.LOOK_UP))

    assert isinstance(house.heard["idle"][0], Turn)
    assert house.made() == ["find_order"]  # The turn that nobody used took nothing.


def test_a_turn_that_is_not_needed_makes_room_for_the_next():
    house = House()
    quick = house.asker("quick", lambda ticket, ref: house.ref.tell(Go(ticket, ref, None)))

    house.tell(Want(quick, START), Want(house.goer("next"), START), within_s=1)

    assert house.made() == ["place_order"]


def test_a_turn_taken_back_makes_room_for_the_next():
    house = House(requests=1)
    asked, waiting, following = (house.asker(name) for name in ("asked", "waiting", "following"))
    house.tell(Want(asked, START), Want(waiting, START), Want(following, START))
    turns = len(house.heard["asked"])

    house.tell(Unwant(waiting), Unwant(asked))

    assert turns == 1
    assert not house.heard["waiting"]
    assert isinstance(house.heard["following"][0], Turn)


def test_older_orders_have_their_turns_first():
    house = House(requests=20)
    house.tell(Want(house.goer("busy"), START))
    turns = []
    younger = house.asker("younger", lambda *_: turns.append("younger"))
    older = house.asker("older", lambda *_: turns.append("older"))

    house.tell(Want(younger, START + timedelta(seconds=1)), Want(older, START), within_s=3)

    assert sorted(turns) == ["older", "younger"]


def test_an_order_that_wants_twice_has_one_turn():
    house = House()
    one = house.asker("one")

    house.tell(Want(one, START), Want(one, START))

    assert len([turn for turn in house.heard["one"] if isinstance(turn, Turn)]) <= 2


def test_a_turn_that_expired_is_certainly_not_sent():
    house = House()
    slow = house.asker("slow")
    house.tell(Want(slow, START), within_s=3)
    ticket = house.heard["slow"][0].ticket

    house.tell(Go(ticket, slow, Place(a_request("x"), 1, 60.0)))

    (outcome,) = house.outcomes("slow")
    assert isinstance(outcome.error, WithheldError)
    assert house.made() == []


def test_a_ticket_of_an_earlier_life_is_ambiguous():
    house = House()
    order = house.asker("order")

    house.tell(Go(Ticket(-1, 1), order, Place(a_request("x"), 1, 60.0)))

    (outcome,) = house.outcomes("order")
    assert isinstance(outcome.error, OutcomeUnknownError)
    assert not isinstance(outcome.error, NotSentError)
    assert house.made() == []


def test_an_order_that_waited_past_its_send_by_is_not_sent():
    house = House(call_s=1.0)
    house.tell(ask(house.asker("look"), Line.LOOK_UP))

    house.tell(Want(house.goer("late", send_by_s=0.5), START), within_s=3)

    (outcome,) = house.outcomes("late")
    assert isinstance(outcome.error, WithheldError)
    assert "place_order" not in house.made()


def test_the_guard_is_asked_before_an_order_and_for_nothing_else():
    house = House()
    house.gate.error = NotSentError("halted")

    house.tell(
        Want(house.goer("order"), START),
        ask(house.asker("look"), Line.LOOK_UP),
        ask(house.asker("cancel"), Line.CANCEL, CancelAtBroker(None, "r", 1)),
        within_s=2,
    )

    (outcome,) = house.outcomes("order")
    assert isinstance(outcome.error, WithheldError)
    assert sorted(house.made()) == ["cancel_order", "find_order"]


def test_a_guard_that_breaks_means_not_sent():
    house = House()
    house.gate.error = OSError("disk")

    house.tell(Want(house.goer("order"), START), within_s=1)

    assert isinstance(house.outcomes("order")[0].error, WithheldError)


def test_a_rate_limit_answer_drains_the_bucket():
    house = House(call_s=0.01)
    house.gateway.error = RateLimitedError("too many", retry_after_s=2.0)
    house.tell(ask(house.asker("one"), Line.LOOK_UP))
    house.gateway.error = None

    house.tell(ask(house.asker("two"), Line.CANCEL, CancelAtBroker(None, "r", 1)), within_s=5)

    first, second = (at for at, _, _ in house.gateway.calls)
    assert second - first >= 2.0


def test_a_crash_with_a_call_under_way_makes_no_second_call_at_once_and_its_answer_counts():
    house = House(call_s=1.0)
    house.tell(Want(house.goer("first"), START))
    house.tell(object())  # It crashes on that, twice.

    house.tell(ask(house.asker("next"), Line.LOOK_UP), within_s=4)

    assert house.gateway.most == 1
    assert [outcome.value for outcome in house.outcomes("first")] == ["place_order"]
    assert [outcome.value for outcome in house.outcomes("next")] == ["find_order"]


def test_a_call_that_never_returns_is_fatal():
    house = House(call_s=1e6)
    timing = house.settings.timing

    house.tell(ask(house.asker("one"), Line.LOOK_UP))
    house.tell(within_s=timing.call_timeout_s + timing.overdue_grace_s + 1)

    (error,) = house.fatal
    assert isinstance(error, OutcomeUnknownError)
    assert "LookUp" in str(error)


def test_a_call_that_never_returns_is_fatal_also_when_the_actor_crashed_meanwhile():
    house = House(call_s=1e6)
    house.tell(ask(house.asker("one"), Line.LOOK_UP))
    house.tell(object(), within_s=2)

    house.tell(ask(house.asker("two"), Line.LOOK_UP), within_s=60)

    assert house.fatal


def test_many_calls_on_end_are_not_taken_for_one_that_hangs():
    house = House(call_s=0.5)

    for n in range(80):
        house.tell(ask(house.asker(f"a{n}"), Line.LOOK_UP), within_s=0.5)

    assert house.fatal == []
