"""Settings that cannot work are refused, each by its name."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest

from domain.errors import InvalidInputError
from domain.settings import BrokerTiming, RateLimit, RiskLimits, Settings
from domain.supervision import RestartPolicy

BAD = [
    (BrokerTiming, "call_timeout_s", 0.0),
    (BrokerTiming, "call_timeout_s", float("nan")),
    (BrokerTiming, "send_window_s", float("inf")),
    (BrokerTiming, "longest_hidden_s", -1.0),
    (RateLimit, "requests", 0),
    (RateLimit, "window_s", -1.0),
    (RateLimit, "poll_share", 0.0),
    (RateLimit, "poll_share", float("nan")),
    (RateLimit, "poll_share", "0.3"),
    (RiskLimits, "max_order_qty", Decimal(0)),
    (RiskLimits, "max_order_notional", Decimal("NaN")),
    (RateLimit, "requests", "20"),
    (RateLimit, "requests", True),
    (RateLimit, "requests", 1.5),
    (RateLimit, "window_s", "1"),
    (RateLimit, "window_s", True),
    (RiskLimits, "max_order_qty", 1.5),
    (RiskLimits, "max_order_qty", 100),
    (RestartPolicy, "max_failures", -1),
    (RestartPolicy, "max_failures", 1.0),
    (RestartPolicy, "window_s", 0.0),
    (RestartPolicy, "backoff_first_s", float("nan")),
    (RestartPolicy, "backoff_longest_s", float("inf")),
    (Settings, "account_id", " "),
    (Settings, "account_id", ""),
    (Settings, "account_id", None),
    (Settings, "account_id", 5),
    (Settings, "account_id", "x" * 65),
    (Settings, "account_id", "계좌"),
    (Settings, "account_id", "paper "),
    (Settings, "broker", "kis"),
    (Settings, "broker", None),
    (Settings, "instruments", None),
    (Settings, "session", {}),
    (Settings, "fees", {}),
    (Settings, "timing", {"call_timeout_s": 5.0}),
    (Settings, "rate", {"requests": 20}),
    (Settings, "risk", {}),
    (Settings, "restarts", {}),
    (Settings, "signal_deadline", timedelta(0)),
    (Settings, "signal_deadline", timedelta(days=30, microseconds=1)),
    (Settings, "signal_deadline", timedelta.max),
    (Settings, "signal_deadline", 30),
    (Settings, "retry_waits_s", "124"),
    (Settings, "retry_waits_s", [1.0, 2.0]),
    (Settings, "retry_waits_s", ("1",)),
    (Settings, "cancel_overdue", "no"),
    (Settings, "max_unsent", 10.0),
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


@pytest.mark.parametrize(
    ("setting", "advice"),
    [
        ({"broker": "kis"}, 'broker: give "paper"'),
        ({"rate": {}}, "rate: give a RateLimit"),
        ({"signal_deadline": 30}, "signal_deadline: give a timedelta above 0, at most 30 days"),
        ({"retry_waits_s": "124"}, "retry_waits_s: give a tuple of seconds"),
        ({"cancel_overdue": "no"}, "cancel_overdue: give True or False"),
        ({"max_unsent": 0}, "max_unsent: give a whole number, at least 1"),
        ({"max_cancel_requests": 1000}, "give a whole number from 1 to 999"),
        ({"account_id": None}, "account_id: give 1 to 64 printable ASCII characters"),
    ],
)
def test_a_refusal_says_what_to_give(setting, advice):
    with pytest.raises(InvalidInputError, match=re.escape(advice)):
        Settings(**setting)


def test_a_deadline_of_thirty_days_and_no_second_attempt_are_taken():
    settings = Settings(signal_deadline=timedelta(days=30), retry_waits_s=())

    assert settings.signal_deadline == timedelta(days=30)


def test_the_defaults_work_and_a_limit_may_be_left_out():
    assert Settings().rate.requests == 20
    assert RiskLimits(max_order_qty=None).max_order_qty is None


def test_the_settle_time_covers_the_call_and_what_the_broker_may_hide():
    timing = BrokerTiming(call_timeout_s=5.0, latest_accept_s=10.0, longest_hidden_s=10.0)

    assert timing.settle_s == 35.0
