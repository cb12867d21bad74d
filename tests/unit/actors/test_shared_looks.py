"""Orders in doubt at a broker that lists: one list answers all looks that wait for one."""

from dataclasses import replace
from datetime import timedelta

import pytest

from actors.messages import Line, ListOrders, LookUp
from domain.broker import BrokerState
from domain.errors import OutcomeUnknownError, RateLimitedError
from infra.brokers.paper import FaultPlan
from tests.desks import START, buy
from tests.unit.actors.houses import House, ask
from tests.unit.actors.rigs import NO_STREAM, a_broker_order, a_page
from tests.unit.actors.tales import LIMIT, LOST, raise_always

EARLIER, LATER = START - timedelta(minutes=2), START + timedelta(minutes=2)


@pytest.fixture
def house():
    """Looks that gather behind a call that takes a second."""
    made = House(call_s=0.0)
    made.gateway.call_s = 1.0
    made.tell(ask(made.asker("first"), Line.LOOK_UP), within_s=0.2)
    made.gateway.call_s = 0.0
    return made


def look(house, name, since=START):
    house.tell(ask(house.asker(name), Line.LOOK_UP, LookUp(name, since)), within_s=0.0)


def listed(house):
    return [args[1] for _, name, args in house.gateway.calls if name == "list_orders"]


def answer(house, *orders, **changes):
    """Have the broker list these orders."""
    house.gateway.list_orders = lambda *args: (
        house.gateway.calls.append((0.0, "list_orders", args)) or a_page(*orders, **changes)
    )


def test_looks_that_wait_together_cost_one_call_from_the_earliest_on(house):
    answer(house)
    look(house, "a", START)
    look(house, "b", EARLIER)
    house.tell(ask(house.asker("total"), Line.LOOK_UP, ListOrders(LATER)), within_s=2)

    assert listed(house) == [EARLIER]
    told = [house.outcomes(name) for name in ("a", "b", "total")]
    assert [one.call for (one,) in told] == [
        LookUp("a", START),
        LookUp("b", EARLIER),
        ListOrders(LATER),
    ]


def test_each_is_shown_what_a_look_of_its_own_would_have_shown(house):
    ended = a_broker_order("e", state=BrokerState.FILLED, transact_time=EARLIER)
    working = a_broker_order("w", transact_time=EARLIER)
    new = a_broker_order("n", state=BrokerState.FILLED, transact_time=START)
    answer(house, ended, working, new, is_complete=False)
    look(house, "a", START)
    look(house, "b", EARLIER)

    house.tell(within_s=2)

    (to_a,), (to_b,) = house.outcomes("a"), house.outcomes("b")
    assert to_a.value.items == (working, new)
    assert to_b.value.items == (ended, working, new)
    assert not to_a.value.is_complete


def test_time_without_a_placement_is_told_of_each_order_itself(house):
    house.door.slot.note_placed("a", house.system.monotonic())
    answer(house)
    look(house, "a")
    look(house, "b")

    house.tell(within_s=2)

    (to_a,), (to_b,) = house.outcomes("a"), house.outcomes("b")
    assert 0.5 < to_a.quiet_s < 1.0
    assert to_b.quiet_s > 10**6
    assert to_a.asked_s == to_b.asked_s


def test_a_list_that_fails_says_so_to_all(house):
    house.gateway.error = OutcomeUnknownError("HTTP 500")
    look(house, "a")
    look(house, "b")

    house.tell(within_s=2)

    assert [house.outcomes(name)[0].error for name in "ab"] == [house.gateway.error] * 2
    assert len(listed(house)) == 1


def test_looks_without_a_permit_wait_together_and_are_all_answered(house):
    house.door.bucket.close_for(3.0, house.system.monotonic())
    look(house, "a")
    look(house, "b")
    house.tell(within_s=2)
    assert listed(house) == []

    house.tell(within_s=2)

    assert len(listed(house)) == 1
    assert all(len(house.outcomes(name)) == 1 for name in "ab")


def test_a_look_by_id_is_shared_by_nobody(house):
    look(house, "a")
    house.tell(ask(house.asker("id"), Line.LOOK_UP, LookUp("id")), within_s=0)
    look(house, "b")

    house.tell(within_s=2)

    assert house.made() == ["find_order", "list_orders", "find_order"]


def test_a_rate_limit_answer_to_a_shared_list_closes_the_door_for_all(house):
    house.gateway.error = RateLimitedError("too many", retry_after_s=5.0)
    look(house, "a")
    look(house, "b")

    house.tell(within_s=2)

    assert house.door.bucket.opens_in_s(house.system.monotonic()) > 2


def test_all_that_are_in_doubt_at_a_start_are_found_by_one_list(desk):
    ids = [f"s-{n}" for n in range(8)]
    desk.paper = replace(desk.paper, client_ids=False, timeout_s=0.2)
    faults = {("place", n): "answer_lost_after_booking" for n in range(1, 9)}
    desk.faults = FaultPlan.script(faults, rates=LOST)
    desk.start().run_for(2)
    desk.gateway.before["list_orders"] = raise_always(OutcomeUnknownError("HTTP 500"))
    desk.tell(*(buy(one, 10 + n, limit_px=LIMIT) for n, one in enumerate(ids)))
    desk.until(lambda: all(desk.status(one) == "IN_DOUBT" for one in ids))

    desk.restart(faults=NO_STREAM)
    desk.until(lambda: all(desk.order(one) and desk.order(one).broker_order_id for one in ids))

    assert len(desk.times_of("list_orders")) <= 3, "one for all in doubt; the rest are polls"
