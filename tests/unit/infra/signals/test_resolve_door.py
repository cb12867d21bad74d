"""A person decides about an order in doubt: command, door, engine, journal."""

import json
from datetime import timedelta

import pytest

from domain.settings import AbsentPolicy, BrokerTiming
from domain.terms import OrderStatus
from infra.brokers.paper import FaultPlan
from infra.cli import order
from infra.cli.main import parse
from tests.desks import LiveDesk, buy, with_settings
from tests.doors import a_door

TIMING = BrokerTiming(
    call_timeout_s=0.2, latest_accept_s=0.05, longest_hidden_s=0.05, send_window_s=0.3
)
LOST = FaultPlan.script({("place", 1): "answer_lost_before_booking"})

pytestmark = pytest.mark.live


@pytest.fixture
def desk(tmp_path):
    made = LiveDesk(tmp_path)
    with_settings(
        made,
        timing=TIMING,
        absent_policy=AbsentPolicy.STRICT,
        signal_deadline=timedelta(seconds=60),
        retry_waits_s=(0.05, 0.05, 0.05),
    )
    made.start(faults=LOST)
    with a_door(made):
        yield made
    made.stop()


def resolve(desk, capsys, *options):
    args = parse(["order", "resolve", "s-1", "--store", str(desk.path), "--json", *options])
    code = order.run(args)
    return code, json.loads(capsys.readouterr().out)


def in_doubt(desk):
    desk.engine.ask(buy()).result(10)
    desk.until_status(OrderStatus.IN_DOUBT)
    desk.until(lambda: desk.order("s-1").flags)


def test_absent_makes_the_next_attempt_due(desk, capsys):
    in_doubt(desk)

    code, said = resolve(desk, capsys, "--absent", "--reason", "asked by telephone")

    assert code == 0, said
    desk.until_rest("s-1")
    assert desk.order("s-1").status is OrderStatus.FILLED
    assert len(desk.ledger().orders) == 1
    resolved = [one for one in desk.records if one.kind == "Resolved"]
    assert [one.event.reason for one in resolved] == ["asked by telephone"]


def test_a_number_that_the_broker_does_not_show_is_refused_by_its_field(desk, capsys):
    in_doubt(desk)
    today = str(desk.settings.session.trade_date(desk.clock.now()))

    code, said = resolve(
        desk, capsys, "--adopt", "0000000099", "--trade-date", today, "--reason", "seen"
    )

    assert code != 0
    assert said["error"]["field"] == "broker_order_id"
    assert desk.order("s-1").status is OrderStatus.IN_DOUBT


def test_adopting_needs_the_day_of_the_number(desk, capsys):
    in_doubt(desk)

    code, said = resolve(desk, capsys, "--adopt", "0000000001", "--reason", "seen")

    assert code != 0
    assert said["error"]["field"] == "trade_date"
