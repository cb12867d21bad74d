"""The last rules before an order exists: what no single order may exceed."""

from domain.instrument import Instrument
from domain.money import exact, trim
from domain.settings import RiskLimits
from domain.signal import Signal


def check_risk(signal: Signal, instrument: Instrument, limits: RiskLimits) -> str | None:
    """Return why the order must not be sent, with the rule and its numbers; None when it may.

    The notional of a market order is not checked: it has no price before it is filled. Limit its
    quantity.
    """
    qty = signal.order_qty
    if limits.max_order_qty is not None and qty > limits.max_order_qty:
        return f"max_order_qty: {trim(qty)} is more than {trim(limits.max_order_qty)}"
    if limits.max_order_notional is None or signal.limit_px is None:
        return None
    with exact():
        notional = qty * signal.limit_px
    if notional <= limits.max_order_notional:
        return None
    return (
        f"max_order_notional: {trim(qty)} x {trim(signal.limit_px)} = {trim(notional)} "
        f"{instrument.currency} is more than {trim(limits.max_order_notional)}"
    )
