"""What an order looks like at a broker that does not carry our ids.

Two orders of one fingerprint cannot be told apart there, so at most one of them may have a
placement of unknown fate: what then looks like it is it, unless a person trades the same by hand.
"""

from datetime import datetime, timedelta

from domain.broker import BrokerOrder
from domain.money import trim
from domain.order import Order
from domain.signal import Signal
from domain.terms import AccountId, Side, Symbol

# A look goes back this far before the placement: what looks the same and lies there is never
# adopted, but it stands against the conclusion that the broker has nothing (a stepped clock).
LOOK_BACK = timedelta(hours=3)


def fingerprint(wanted: Signal) -> str:
    """Return what the signal's order looks like at the broker; 100 and 100.0 look the same."""
    return _text(wanted.account_id, wanted)


def is_alike(order: Order, news: BrokerOrder) -> bool:
    """Return whether a broker's order may be this one, by what it looks like alone."""
    wanted = order.signal
    return (
        news.client_order_id in (None, order.client_order_id)
        and (news.symbol, news.side, news.order_type)
        == (wanted.symbol, wanted.side, wanted.order_type)
        and (news.order_qty, news.limit_px) == (wanted.order_qty, wanted.limit_px)
    )


def look_of(account_id: AccountId, news: BrokerOrder) -> str:
    """Return the fingerprint of a broker's order."""
    return _text(account_id, news)


def is_since(news: BrokerOrder, since: datetime, clock_skew_s: float) -> bool:
    """Return whether it was placed not before ``since``, as far as two clocks can tell.

    Without a time of placing the last change stands for it, which is never earlier.
    """
    placed_at = news.placed_at or news.transact_time
    return placed_at >= since - timedelta(seconds=clock_skew_s)


def is_about(claim: str, symbol: Symbol, side: Side) -> bool:
    """Return whether a fingerprint is one of that symbol and side."""
    return claim.startswith(f"{symbol}|{side}|")


def _text(account_id: AccountId, terms: Signal | BrokerOrder) -> str:
    px = "" if terms.limit_px is None else str(trim(terms.limit_px))
    qty = str(trim(terms.order_qty))
    return f"{terms.symbol}|{terms.side}|{qty}|{terms.order_type}|{px}|{account_id}"
