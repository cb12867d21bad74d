"""An order's actor begins while the order is being written down; only what is written leaves it."""

from decimal import Decimal

import pytest

from actors.messages import FillSeen
from domain.errors import SignalConflictError
from domain.events import Source
from domain.terms import ExecId
from tests.desks import buy, cancel
from tests.unit.actors.rigs import a_broker_fill, setting

LIMIT = Decimal(60_000)
SEEDS = range(12)


@pytest.fixture
def begun(desk):
    """A desk past its first second, which belongs to the rate limit; ``begun(seed)`` starts it."""

    def begin(seed, **changes):
        desk.seed, desk.shuffle = seed, True
        setting(desk, **changes)
        desk.start().run_for(2)
        return desk

    return begin


def has_left(desk, memory, *signal_ids):
    """Wait until orders have left; without ``memory`` only the journal knows of them."""
    desk.until_rest(*signal_ids)
    desk.run_for(30)
    if memory == "journal":
        desk.crash("executor")
        desk.run_for(5)


MEMORIES = ("executor", "journal")


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_signal_of_an_order_that_has_left_starts_nothing(begun, seed, memory):
    desk = begun(seed)
    desk.tell(buy())
    has_left(desk, memory)
    before = desk.engine.stats()

    again = desk.engine.ask(buy())
    other = desk.engine.ask(buy(order_qty=7))
    desk.until(lambda: again.done() and other.done())
    desk.run_for(5)

    assert again.result().is_duplicate
    assert isinstance(other.exception(), SignalConflictError)
    assert desk.names().count("place_order") == 1
    assert desk.kinds().count("SubmitStarted") == 1
    assert not desk.has_actor()
    after = desk.engine.stats()
    assert (after.restarts, after.quarantined) == (before.restarts, before.quarantined)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_turns_of_signals_told_again_are_free_for_new_ones(begun, seed):
    desk = begun(seed, turn_timeout_s=20.0)
    old = [f"old-{number}" for number in range(30)]
    desk.tell(*(buy(name, 1) for name in old))
    has_left(desk, "journal", *old)

    desk.tell(*(buy(name, 1) for name in old), buy("new", 1))

    desk.until_rest("new", within_s=10)
    assert len(desk.ledger().orders) == 31


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cancel_told_with_its_signal_comes_before_the_order_is_sent(begun, seed):
    desk = begun(seed)
    filler = [f"f-{number}" for number in range(25)]
    desk.tell(*(buy(name, 1) for name in filler))

    desk.tell(buy(limit_px=LIMIT), cancel())

    desk.until_rest(*filler, "s-1")
    assert desk.status() == "CANCELLED"
    assert "SubmitStarted" not in desk.kinds()


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_cancel_told_with_an_old_signal_is_answered(begun, seed, memory):
    desk = begun(seed)
    desk.tell(buy())
    has_left(desk, memory)

    again, cancelled = desk.engine.ask(buy()), desk.engine.ask(cancel())
    desk.until(lambda: again.done() and cancelled.done())

    assert again.result().is_duplicate
    assert cancelled.result().client_order_id == again.result().client_order_id
    assert desk.status() == "FILLED"


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_stopped_order_was_begun_with_is_never_replaced_by_another_signal(begun, seed):
    """The order is written down and its actor has stopped before it was sent."""
    desk = begun(seed)
    filler = [f"f-{number}" for number in range(60)]
    desk.tell(*(buy(name, 1) for name in filler), buy(limit_px=LIMIT))
    desk.until(lambda: desk.order() is not None and desk.has_actor())
    for _ in range(200):
        if not desk.has_actor():
            break
        desk.crash_order()
        desk.run_for(0.05)
    other = desk.engine.ask(buy(order_qty=7, limit_px=LIMIT))

    desk.until(other.done, within_s=120)
    desk.run_for(60)

    assert isinstance(other.exception(), SignalConflictError)
    quantities = {o.order_qty for o in desk.ledger().orders if o.limit_px == LIMIT}
    assert quantities <= {buy().order_qty}


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_fill_is_booked_that_comes_while_the_signal_is_told_again(begun, seed, is_first, memory):
    desk = begun(seed)
    desk.tell(buy(limit_px=LIMIT))
    desk.resting()
    desk.tell(cancel())
    has_left(desk, memory)
    order = desk.order()
    number = {"broker_order_id": order.broker_order_id, "trade_date": order.trade_date}
    terms = {"exec_id": ExecId("late"), "last_qty": Decimal(10), "last_px": LIMIT}
    fill = a_broker_fill(order.client_order_id, **number, **terms)

    if is_first:
        desk.engine.actor("executor").tell(FillSeen(fill, Source.STREAM))
    desk.tell(buy(limit_px=LIMIT))
    if not is_first:
        desk.engine.actor("executor").tell(FillSeen(fill, Source.STREAM))
    desk.run_for(60)

    assert desk.order().cum_qty == 10
    assert not desk.has_actor()


@pytest.mark.parametrize("wishes", ["cancel, signal", "signal, cancel"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_stopped_order_is_cancelled_though_its_signal_is_told_again(begun, seed, wishes):
    desk = begun(seed)
    desk.tell(buy(limit_px=LIMIT))
    desk.resting()
    while desk.has_actor():
        desk.crash_order()
        desk.run_for(0.05)

    told = {"signal": buy(limit_px=LIMIT), "cancel": cancel()}
    asked = [desk.engine.ask(told[wish]) for wish in wishes.split(", ")]
    desk.until(lambda: all(future.done() for future in asked), within_s=10)

    assert len({future.result().client_order_id for future in asked}) == 1
    desk.until_status("CANCELLED", within_s=10)
