"""Limits of a single order."""

from decimal import Decimal

import pytest

from domain.instrument import Instrument
from domain.risk import check_risk
from domain.settings import RiskLimits
from domain.signal import Signal
from domain.terms import AccountId, OrderType, Side, SignalId, Symbol


def refused(*, px=None, max_qty=None, max_notional=None):
    symbol = Symbol("005930")
    signal = Signal(
        signal_id=SignalId("s"),
        account_id=AccountId("paper"),
        symbol=symbol,
        side=Side.BUY,
        order_qty=Decimal("100.0"),
        order_type=OrderType.MARKET if px is None else OrderType.LIMIT,
        limit_px=px,
    )
    limits = RiskLimits(max_order_qty=max_qty, max_order_notional=max_notional)
    return check_risk(signal, Instrument(symbol=symbol), limits)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({}, None),
        ({"max_qty": Decimal(100)}, None),
        ({"max_qty": Decimal(99)}, "max_order_qty: 100 is more than 99"),
        ({"max_notional": Decimal(1)}, None),  # A market order has no price yet.
        ({"px": Decimal(70_000)}, None),
        ({"px": Decimal(70_000), "max_notional": Decimal(7_000_000)}, None),
        (
            {"px": Decimal(70_000), "max_notional": Decimal(6_999_999)},
            "max_order_notional: 100 x 70000 = 7000000 KRW is more than 6999999",
        ),
    ],
)
def test_an_order_above_a_limit_is_refused_with_the_rule_and_its_numbers(case, reason):
    assert refused(**case) == reason
