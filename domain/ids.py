"""Our own order and request ids: made from what they stand for, so that a restart finds them again.

Both are 20 characters, which every broker that carries client ids takes.
"""

from base64 import b32encode
from hashlib import sha256

from domain.terms import AccountId, ClientOrderId, RequestId, SignalId

ID_LENGTH = 20
LAST_REQUEST_NUMBER = 999

# Base32 has no 0, 1, 8 and 9: a first character from these makes it no client order id.
_CANCEL_KIND = "1"


def client_order_id(account_id: AccountId, signal_id: SignalId) -> ClientOrderId:
    """Return the id of the one order that the signal makes: 20 of ``[a-z2-7]``, 100 bits."""
    return ClientOrderId(_digest(account_id, signal_id)[:ID_LENGTH])


def cancel_request_id(of_order: ClientOrderId, number: int) -> RequestId:
    """Return the id of an order's cancel request ``number`` (from 1 to 999).

    Form: ``1`` (cancel), the number in three digits, 16 characters made from the order's id.
    Never the form of a client order id, which has no digit 1.
    """
    assert 1 <= number <= LAST_REQUEST_NUMBER, f"cancel request {number} of {of_order}"
    start = f"{_CANCEL_KIND}{number:03d}"
    return RequestId(start + _digest(of_order)[: ID_LENGTH - len(start)])


def _digest(*parts: str) -> str:
    # Each part stands behind its length: ("a", "bc") and ("ab", "c") must not meet.
    encoded = [part.encode() for part in parts]
    text = b"".join(b"%d:%b" % (len(part), part) for part in encoded)
    # 15 bytes make 24 characters: more than an id takes, and no padding.
    return b32encode(sha256(text).digest()[:15]).decode("ascii").lower()
