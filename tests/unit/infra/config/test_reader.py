"""Settings from a file and the environment."""

from datetime import timedelta
from decimal import Decimal

import pytest

from domain.errors import InvalidInputError
from domain.session import ALWAYS_OPEN
from domain.settings import AbsentPolicy, Settings
from infra.config import load_settings


@pytest.fixture
def load(tmp_path):
    def read(text="", **environ):
        file = tmp_path / "oncefill.toml"
        file.write_text(text)
        return load_settings(file, environ)[0]

    return read


def test_without_anything_the_defaults_hold(load):
    assert load() == load_settings(None, {"HOME": "x"})[0] == Settings()


def test_a_file_sets_settings_and_their_parts(load):
    settings = load(
        'account_id = "main"\nsession = "ALWAYS_OPEN"\nsignal_deadline_s = 60.5\n'
        "retry_waits_s = [0.5, 2]\ncancel_overdue = true\n"
        "[rate]\nrequests = 5\n[timing]\ncall_timeout_s = 3\n"
        '[risk]\nmax_order_qty = "10.5"\nmax_order_notional = 0.1\n[restarts]\nmax_failures = 2\n'
    )

    assert settings.account_id == "main"
    assert settings.session is ALWAYS_OPEN
    assert settings.signal_deadline == timedelta(seconds=60.5)
    assert settings.retry_waits_s == (0.5, 2)
    assert (settings.cancel_overdue, settings.rate.requests) == (True, 5)
    assert (settings.timing.call_timeout_s, settings.restarts.max_failures) == (3, 2)
    assert settings.risk.max_order_qty == Decimal("10.5")
    assert settings.risk.max_order_notional == Decimal("0.1")


def test_a_policy_is_given_by_its_name(load):
    assert load('absent_policy = "STRICT"').absent_policy is AbsentPolicy.STRICT
    assert load(ONCEFILL_ABSENT_POLICY="AUTOMATIC").absent_policy is AbsentPolicy.AUTOMATIC


def test_the_environment_wins(load):
    settings = load(
        "[rate]\nrequests = 5",
        ONCEFILL_RATE__REQUESTS="7",
        ONCEFILL_ACCOUNT_ID="12",
        ONCEFILL_RETRY_WAITS_S="[1]",
        ONCEFILL_CANCEL_OVERDUE="true",
        ONCEFILL_TEST_X="of the tests",
        ONCEFILL_STARTS="2",
    )

    assert (settings.rate.requests, settings.account_id) == (7, "12")
    assert (settings.retry_waits_s, settings.cancel_overdue) == ((1,), True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[rate]\nrequest = 5", "rate.request: unknown setting; did you mean rate.requests"),
        ("signal_dedline_s = 5", "did you mean signal_deadline_s"),
        ("[fees]\nx = 1", "fees.x: unknown setting"),
        ("rate = 5", "rate: unknown setting"),
        ("[rate]\nrequests = 0", "rate.requests: give a whole number"),
        ("[rate]\nrequests = true", "rate.requests: give a whole number"),
        ('[timing]\ncall_timeout_s = "a"', "timing.call_timeout_s: give seconds"),
        ("signal_deadline_s = -1", "signal_deadline_s: give seconds above 0"),
        ("signal_deadline_s = 9e8", "signal_deadline_s: give a timedelta"),
        ("retry_waits_s = 5", "retry_waits_s: give a list"),
        ('absent_policy = "strict"', "absent_policy: give one of AUTOMATIC, STRICT"),
        ('session = "NYSE"', "session: give one of KRX, ALWAYS_OPEN"),
        ('broker = "kis"', "broker: give"),
        ("account_id = 5", "account_id: give"),
        ('[risk]\nmax_order_qty = "x"', "risk.max_order_qty: "),
        ("what is this", "is not TOML"),
        ("a = 1\na = 2", "is not TOML"),
    ],
)
def test_a_mistake_is_named_by_file_and_key(load, text, said):
    with pytest.raises(InvalidInputError) as refused:
        load(text)

    assert "oncefill.toml" in str(refused.value)
    assert said in str(refused.value)


def test_a_mistake_in_the_environment_is_named_by_its_variable(load):
    with pytest.raises(InvalidInputError, match="ONCEFILL_RATE__REQUESTS: give a whole"):
        load(ONCEFILL_RATE__REQUESTS="many")
    with pytest.raises(InvalidInputError, match=r"ONCEFILL_ACOUNT_ID: .*mean account_id"):
        load(ONCEFILL_ACOUNT_ID="x")


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(InvalidInputError, match="cannot be read"):
        load_settings(tmp_path / "none.toml", {})


def test_a_store_is_named_beside_the_settings(tmp_path):
    file = tmp_path / "oncefill.toml"
    file.write_text('store = "postgresql://me@host/trade"\naccount_id = "main"')
    given = {"ONCEFILL_STORE": "elsewhere", "ONCEFILL_RUNTIME": "/run/trade"}

    assert load_settings(file, {})[1] == "postgresql://me@host/trade"
    assert load_settings(file, given)[1] == "elsewhere"
    assert load_settings(None, {})[1] is None


def test_a_store_that_is_no_name_is_refused(tmp_path):
    file = tmp_path / "oncefill.toml"
    file.write_text("store = 5")

    with pytest.raises(InvalidInputError, match=r"oncefill.toml: store: give a folder"):
        load_settings(file, {})
