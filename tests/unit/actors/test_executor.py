"""The same signal again: the same order, or a conflict; never a second order."""

from datetime import timedelta
from decimal import Decimal

import pytest

from domain.errors import SignalConflictError
from tests.desks import START, buy
from tests.unit.actors.rigs import setting

LIMIT = Decimal(60_000)
RAW = {
    "signal_id": "s-1",
    "account_id": "paper",
    "symbol": "005930",
    "side": "BUY",
    "order_qty": "100",
}


def refused(desk):
    return [record for record in desk.records if record.kind == "SignalRefused"]


def begun(desk, **changes):
    """Start, and let the first second pass, which belongs to the rate limit."""
    setting(desk, **changes).start().run_for(2)
    return desk


def test_the_same_id_with_other_content_is_a_conflict_while_the_order_lives(desk):
    begun(desk).ask(buy(limit_px=LIMIT))

    for other in (buy(order_qty=7, limit_px=LIMIT), buy(), {**RAW, "side": "SELL"}):
        with pytest.raises(SignalConflictError) as error:
            desk.ask(other)
        assert error.value.field == "signal_id"


def test_the_same_id_with_other_content_is_a_conflict_before_the_first_commit(desk):
    begun(desk)
    first = desk.engine.ask(buy())
    other = desk.engine.ask(buy(order_qty=7))

    desk.until(lambda: first.done() and other.done())

    assert isinstance(other.exception(), SignalConflictError)
    assert not first.result().is_duplicate


@pytest.mark.parametrize("is_restarted", [False, True])
def test_the_same_id_is_known_long_after_the_order_has_ended(desk, is_restarted):
    begun(desk).tell(buy())
    desk.until_rest()
    desk.run_for(30)
    if is_restarted:
        desk.restart(after_s=86_400).run_for(2)

    assert desk.ask(buy()).is_duplicate
    with pytest.raises(SignalConflictError):
        desk.ask(buy(order_qty=7))
    desk.tell(buy(order_qty=7))
    desk.until(lambda: refused(desk))
    assert len(desk.ledger().orders) == 1


def test_a_signal_told_again_is_compared_with_its_order_and_not_with_a_conflict_on_its_way(desk):
    begun(desk).tell(buy())
    desk.until(lambda: desk.status() == "FILLED" and not desk.has_actor())

    other = desk.engine.ask(buy(order_qty=7))
    again = desk.engine.ask(buy())
    desk.until(lambda: other.done() and again.done())

    assert isinstance(other.exception(), SignalConflictError)
    assert again.result().is_duplicate


def test_an_old_signal_is_known_although_its_own_deadline_has_passed(desk):
    signal = buy(deadline=START + timedelta(seconds=20))
    begun(desk).tell(signal)
    desk.until_rest()
    desk.run_for(60)

    assert desk.ask(signal).is_duplicate


def test_numbers_that_say_the_same_are_the_same_signal(desk):
    begun(desk).ask(RAW)

    assert desk.ask({**RAW, "order_qty": "100.00"}).is_duplicate
    assert desk.ask({**RAW, "order_qty": Decimal("1E+2")}).is_duplicate
