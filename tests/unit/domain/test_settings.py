"""Settings that cannot work are refused, each by its name."""

from datetime import timedelta
from decimal import Decimal

import pytest

from domain.errors import InvalidInputError
from domain.settings import BrokerTiming, RateLimit, RiskLimits, Settings

BAD = [
    (BrokerTiming, "call_timeout_s", 0.0),
    (BrokerTiming, "call_timeout_s", float("nan")),
    (BrokerTiming, "send_window_s", float("inf")),
    (BrokerTiming, "longest_hidden_s", -1.0),
    (RateLimit, "requests", 0),
    (RateLimit, "window_s", -1.0),
    (RateLimit, "poll_share", 0.0),
    (RateLimit, "poll_share", float("nan")),
    (RiskLimits, "max_order_qty", Decimal(0)),
    (RiskLimits, "max_order_notional", Decimal("NaN")),
    (Settings, "account_id", " "),
    (Settings, "signal_deadline", timedelta(0)),
    (Settings, "retry_waits_s", (1.0, -2.0)),
    (Settings, "poll_active_s", 0.0),
    (Settings, "stop_timeout_s", float("nan")),
    (Settings, "max_cancel_requests", 0),
    (Settings, "max_unsent", 0),
    (Settings, "max_tree_rebuilds", -1),
]


@pytest.mark.parametrize(("kind", "name", "value"), BAD)
def test_a_setting_that_cannot_work_is_refused_by_its_name(kind, name, value):
    with pytest.raises(InvalidInputError) as refused:
        kind(**{name: value})

    assert refused.value.field == name


def test_the_defaults_work_and_a_limit_may_be_left_out():
    assert Settings().rate.requests == 20
    assert RiskLimits(max_order_qty=None).max_order_qty is None


def test_the_settle_time_covers_the_call_and_what_the_broker_may_hide():
    timing = BrokerTiming(call_timeout_s=5.0, latest_accept_s=10.0, longest_hidden_s=10.0)

    assert timing.settle_s == 35.0
