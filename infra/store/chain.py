"""The hash chain: each journal row's hash covers the row and the hash before it."""

from hashlib import sha256
from typing import Final

import msgspec

GENESIS: Final = "0" * 64

_ENCODE: Final = msgspec.json.Encoder().encode


def row_hash(covered: tuple[str, int, str, int, str, str, str, str]) -> str:
    """Return a row's hash: SHA-256 of the JSON array of what it covers, as hex.

    ``covered`` is (prev_hash, seq, stream, stream_seq, kind, topics, data, recorded_at). A JSON
    array, because no text can be moved from one column to the next without changing it.
    """
    return sha256(_ENCODE(covered)).hexdigest()
