"""Order creation and order states, as the specification names them (E13-F03)."""

from datetime import timedelta
from decimal import Decimal

import pytest

from domain.errors import BusyError, InvalidInputError
from domain.ids import client_order_id
from domain.order import evolve
from domain.settings import RateLimit, RiskLimits
from domain.terms import AccountId, TimeInForce
from infra.brokers.paper import FaultPlan
from infra.store.reading import open_reader
from tests.desks import SAMSUNG, START, buy, cancel
from tests.unit.actors.rigs import setting

LIMIT = Decimal(60_000)
RAW = {
    "signal_id": "s-1",
    "account_id": "paper",
    "symbol": "005930",
    "side": "BUY",
    "order_qty": "100",
}
WRONG = [
    ({"signal_id": ""}, "signal_id"),
    ({"signal_id": "x" * 65}, "signal_id"),
    ({"signal_id": 7}, "signal_id"),
    ({"account_id": "other"}, "account_id"),
    ({"account_id": None}, "account_id"),
    ({"symbol": "rm -rf *"}, "symbol"),
    ({"symbol": ""}, "symbol"),
    ({"side": "HOLD"}, "side"),
    ({"side": "buy"}, "side"),
    ({"order_qty": "0"}, "order_qty"),
    ({"order_qty": "-1"}, "order_qty"),
    ({"order_qty": "NaN"}, "order_qty"),
    ({"order_qty": "Infinity"}, "order_qty"),
    ({"order_qty": "1e30"}, "order_qty"),
    ({"order_qty": "1.5"}, "order_qty"),
    ({"order_qty": 1.5}, "order_qty"),
    ({"order_qty": True}, "order_qty"),
    ({"order_qty": "many"}, "order_qty"),
    ({"order_type": "STOP"}, "order_type"),
    ({"order_type": "LIMIT"}, "limit_px"),
    ({"order_type": "LIMIT", "limit_px": "0"}, "limit_px"),
    ({"order_type": "LIMIT", "limit_px": "-5"}, "limit_px"),
    ({"order_type": "LIMIT", "limit_px": "70001"}, "limit_px"),
    ({"limit_px": "70000"}, "limit_px"),
    ({"time_in_force": "GTC"}, "time_in_force"),
    ({"strategy_id": "x" * 65}, "strategy_id"),
    ({"deadline": "tomorrow"}, "deadline"),
    ({"deadline": "2026-03-02T10:00:00"}, "deadline"),
    ({"deadline": START - timedelta(seconds=1)}, "deadline"),
    ({"quantity": "100"}, "quantity"),
]


def kinds_in_store(desk):
    """Read what is durable with a connection of our own."""
    with open_reader(desk.path) as reader:
        return [record.kind for record in reader.records()]


def refused(desk):
    return [record for record in desk.records if record.kind == "SignalRefused"]


def begun(desk, **changes):
    """Start, and let the first second pass, which belongs to the rate limit."""
    setting(desk, **changes).start().run_for(2)
    return desk


def commits_of(desk):
    """Note the last sequence of every commit from here on."""
    seen = []
    desk.engine._tree.journal.watch(lambda seq, *_: seen.append(seq))
    return seen


def test_an_order_is_created_from_a_signal_with_status_pending(desk):
    desk.start().tell(buy(order_qty=100))

    desk.until(lambda: desk.order() is not None)

    # Its first attempt may be in the same commit, so what is seen at once may be later news.
    created = desk.of()[0]
    order = evolve(None, created.event)
    assert created.topics == ("order.created",)
    assert order.status == "PENDING"
    assert (order.symbol, order.order_qty, order.cum_qty) == (SAMSUNG, 100, 0)
    assert order.submitted_at is None
    assert order.deadline == order.created_at + desk.settings.signal_deadline


def test_an_order_is_created_from_a_mapping_as_from_a_signal(desk):
    desk.start()

    from_mapping = desk.ask(RAW)
    from_signal = desk.ask(buy(order_qty=100))

    assert from_mapping.client_order_id == from_signal.client_order_id
    assert (from_mapping.is_duplicate, from_signal.is_duplicate) == (False, True)


def test_the_order_id_is_made_from_account_and_signal(desk):
    receipt = desk.start().ask(buy())

    assert receipt.client_order_id == client_order_id(AccountId("paper"), receipt.signal_id)
    assert len(receipt.client_order_id) == 20


@pytest.mark.parametrize("missing", sorted(RAW))
def test_a_signal_without_a_required_field_is_refused_by_name(desk, missing):
    desk.start()

    with pytest.raises(InvalidInputError) as error:
        desk.ask({name: value for name, value in RAW.items() if name != missing})

    assert error.value.field == missing


def test_every_field_of_no_use_is_refused_by_name_and_makes_no_order(desk):
    desk.start()

    for changes, field in WRONG:
        with pytest.raises(InvalidInputError) as error:
            desk.ask(RAW | changes)
        assert error.value.field == field, changes

    assert desk.orders() == ()
    assert refused(desk) == []


def test_a_bare_tell_of_no_use_is_journaled_with_the_field_and_without_its_value(desk):
    desk.start()

    desk.tell(*(RAW | changes for changes, _ in WRONG))
    desk.until(lambda: len(refused(desk)) == len(WRONG))

    fields = sorted(record.event.field for record in refused(desk))
    assert fields == sorted(field for _, field in WRONG)
    assert {record.topics for record in refused(desk)} == {("signal.refused",)}
    shown = " ".join(record.event.reason for record in refused(desk))
    for value in ("rm -rf", "x" * 65, "HOLD", "1e30", "many", "70001", "tomorrow"):
        assert value not in shown
    assert desk.orders() == ()


@pytest.mark.parametrize("raw", [None, 7, "buy", [], (1, 2), object(), {}, {7: 7}, {"": ""}])
def test_what_is_no_signal_at_all_is_refused_and_crashes_nobody(desk, raw):
    desk.start()

    with pytest.raises(InvalidInputError):
        desk.ask(raw)
    desk.tell(raw)
    desk.until(lambda: refused(desk))

    assert desk.engine.stats().quarantined == 0


def test_a_signal_over_the_risk_limit_is_created_and_failed_in_one_commit(desk):
    begun(desk, risk=RiskLimits(max_order_qty=Decimal(10)))
    commits = commits_of(desk)

    desk.ask(buy(order_qty=11))
    desk.until(lambda: desk.status() == "FAILED")

    created, failed = desk.of()
    assert failed.seq == created.seq + 1
    assert created.seq not in commits
    assert (failed.event.rule, failed.event.reason) == ("risk", "max_order_qty: 11 is more than 10")
    assert desk.topics() == ["order.created", "order.failed"]
    desk.run_for(60)
    assert "place_order" not in desk.names()


def test_a_limit_order_over_the_notional_limit_says_how_the_number_came_about(desk):
    begun(desk, risk=RiskLimits(max_order_notional=Decimal(1_000_000)))

    desk.tell(buy(order_qty=100, limit_px=LIMIT))
    desk.until_status("FAILED")

    assert "100 x 60000 = 6000000 KRW is more than 1000000" in desk.order().reason


def test_an_order_whose_deadline_passes_in_the_queue_fails_and_is_never_sent(desk):
    begun(desk, rate=RateLimit(requests=1), signal_deadline=timedelta(seconds=5))
    ids = [f"s-{n}" for n in range(30)]

    desk.tell(*(buy(one, 1) for one in ids))
    desk.until_rest(*ids, within_s=60)

    failed = [one for one in ids if desk.status(one) == "FAILED"]
    assert len(failed) > 20
    for one in failed:
        (event,) = desk.events("Failed", one)
        assert event.rule == "deadline"
        assert desk.order(one).attempts == 0
    assert len(desk.ledger().orders) == len(ids) - len(failed)
    late = [desk.events("SubmitStarted", one) for one in ids if one not in failed]
    assert all(events[-1].since < START + timedelta(seconds=8) for events in late)


def test_an_order_fails_at_its_deadline_and_not_long_after(desk):
    begun(desk, rate=RateLimit(requests=1), signal_deadline=timedelta(seconds=3))
    ids = [f"s-{n}" for n in range(30)]

    desk.tell(*(buy(one, 1) for one in ids))
    desk.until_rest(*ids, within_s=60)

    ends = [event for one in ids for event in desk.events("Failed", one)]
    assert max(event.at for event in ends) < START + timedelta(seconds=2 + 3 + 1)


def test_the_deadline_of_the_signal_goes_before_the_default(desk):
    desk.faults = FaultPlan.script({("place", n): "not_sent" for n in (1, 2, 3, 4)})
    begun(desk).tell(buy(deadline=START + timedelta(seconds=4)))

    desk.until_status("FAILED")

    (failed,) = desk.events("Failed")
    assert (failed.rule, desk.order().attempts) == ("deadline", 2)
    assert failed.at >= START + timedelta(seconds=4)


def test_a_signal_too_many_is_refused_as_busy_and_may_be_told_again(desk):
    setting(desk, max_unsent=3).start()  # The first second is the rate limit's: all wait.
    desk.tell(*(buy(f"s-{n}") for n in range(3)))

    with pytest.raises(BusyError, match="3 orders wait"):
        desk.ask(buy("one-more"))
    desk.tell(buy("one-more"))
    desk.until(lambda: refused(desk))
    assert desk.ask(buy("s-1")).is_duplicate  # Known ones are always answered.

    desk.until_rest("s-0", "s-1", "s-2")
    assert not desk.ask(buy("one-more")).is_duplicate


def test_an_order_is_durable_before_the_broker_hears_of_it(desk):
    begun(desk)
    durable = []
    desk.gateway.before["place_order"] = lambda *_: durable.append(kinds_in_store(desk))

    desk.tell(buy())
    desk.until_rest()

    assert durable == [["EngineStarted", "OrderCreated", "SubmitStarted"]]


def test_a_signal_is_acknowledged_only_after_its_commit(desk):
    begun(desk)
    durable = []
    future = desk.engine.ask(buy())
    future.add_done_callback(lambda _: durable.append(kinds_in_store(desk)))

    desk.until(future.done)

    assert "OrderCreated" in durable[0]


def test_a_cancel_is_acknowledged_only_after_its_commit(desk):
    begun(desk).tell(buy(limit_px=LIMIT))
    desk.resting()
    durable = []
    future = desk.engine.ask(cancel())
    future.add_done_callback(lambda _: durable.append(kinds_in_store(desk)))

    desk.until(future.done)

    assert "CancelRequested" in durable[0]


def test_a_limit_order_carries_its_price_to_the_broker_and_rests_there(desk):
    begun(desk).tell(buy(limit_px=LIMIT))

    desk.resting()

    (theirs,) = desk.ledger().orders
    assert (theirs.order_type, theirs.limit_px, theirs.state) == ("LIMIT", LIMIT, "ACCEPTED")
    assert (desk.status(), desk.order().leaves_qty) == ("SUBMITTED", 100)


@pytest.mark.parametrize(
    ("time_in_force", "volume", "status", "cum_qty"),
    [
        (TimeInForce.DAY, 400, "PARTIAL", 40),
        (TimeInForce.DAY, 5_000, "FILLED", 100),
        (TimeInForce.IOC, 400, "CANCELLED", 40),
        (TimeInForce.IOC, 5_000, "FILLED", 100),
        (TimeInForce.FOK, 400, "CANCELLED", 0),
        (TimeInForce.FOK, 5_000, "FILLED", 100),
    ],
)
@pytest.mark.parametrize("limit_px", [None, Decimal(70_000)])
def test_what_a_time_in_force_does_with_the_rest(
    desk, time_in_force, volume, status, cum_qty, limit_px
):
    begun(desk).quote(70_000, volume=volume)
    changes = {"time_in_force": time_in_force} | ({"limit_px": limit_px} if limit_px else {})
    desk.tell(buy(**changes))

    desk.until_status(status)
    desk.run_for(5)

    assert (desk.status(), desk.order().cum_qty) == (status, cum_qty)
    desk.check()


def test_every_change_of_status_has_its_event(desk):
    begun(desk).quote(70_000, volume=400)
    desk.tell(buy("fills", 40))
    desk.until_rest("fills")
    desk.quote(70_000, volume=400)
    desk.tell(buy("part", 100))
    desk.until_status("PARTIAL", signal_id="part")
    desk.tell(cancel("part"))
    desk.until_rest("fills", "part")

    sent = ["order.created", "order.submitted", "order.accepted"]
    assert desk.topics("fills") == [*sent, "order.filled"]
    assert desk.topics("part") == [
        *sent,
        "order.partial",
        "order.cancel_requested",
        "order.cancel_sent",
        "order.cancelled",
    ]
    positions = [t for r in desk.records for t in r.topics if t.startswith("position.")]
    assert positions == ["position.opened", "position.changed"]


def test_the_projection_shows_what_the_events_fold_to(desk):
    begun(desk).tell(buy(), buy("s-2", limit_px=LIMIT))
    desk.until_rest("s-1")
    desk.resting("s-2")

    with open_reader(desk.path) as reader:
        shown = {view.signal_id: view for view in reader.orders()}

    for one in ("s-1", "s-2"):
        order = desk.order(one)
        assert shown[one].status == order.status
        assert (shown[one].cum_qty, shown[one].client_order_id) == (
            order.cum_qty,
            order.client_order_id,
        )
