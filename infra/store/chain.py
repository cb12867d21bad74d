"""The hash chain: each journal row's hash covers the row and the hash before it."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final, TypeAlias

import msgspec

from infra.store.codec import is_utc_text
from infra.store.findings import Check, Findings
from infra.store.views import Head

GENESIS: Final = "0" * 64

_ENCODE: Final = msgspec.json.Encoder().encode

# (seq, stream, stream_seq, kind, topics, data, recorded_at, prev_hash, hash), as stored.
JournalRow: TypeAlias = tuple[Any, ...]


def row_hash(covered: tuple[str, int, str, int, str, str, str, str]) -> str:
    """Return a row's hash: SHA-256 of the JSON array of what it covers, as hex.

    ``covered`` is (prev_hash, seq, stream, stream_seq, kind, topics, data, recorded_at). A JSON
    array, because no text can be moved from one column to the next without changing it. It is
    UTF-8 without blanks; of the characters only quotation marks, backslashes and those below a
    blank are escaped.
    """
    return sha256(_ENCODE(covered)).hexdigest()


def is_whole(row: JournalRow) -> bool:
    """Return whether a journal row has the hash that it says."""
    try:
        return bool(row_hash((row[7], *row[:7])) == row[8])
    except (TypeError, ValueError):
        return False


class Chain:
    """Checks rows one after the other: none changed, moved, added or missing.

    Attributes:
        head: The last row taken.
    """

    def __init__(self, findings: Findings, noted: Iterable[Head] = ()) -> None:
        self.head = Head(0, GENESIS)
        self._findings = findings
        self._noted: dict[int, set[str]] = {}
        for head in noted:
            self._noted.setdefault(head.seq, set()).add(head.hash)
        self._count = sum(map(len, self._noted.values()))
        self._compare()

    def take(self, row: JournalRow) -> None:
        """Check one row against all before it."""
        seq, prev_hash, digest = row[0], row[7], row[8]
        if seq != self.head.seq + 1:
            self._findings.note("chain", f"row {seq} follows row {self.head.seq}")
        if prev_hash != self.head.hash:
            self._findings.note("chain", f"row {seq} does not continue the row before it")
        if not is_whole(row):
            self._findings.note("chain", f"row {seq} was changed")
        # Only its form: a clock may have been set back since the row before.
        if not is_utc_text(row[6]):
            self._findings.note("times", f"row {seq} was recorded at {row[6]!r}, no time in UTC")
        self.head = Head(seq, digest)
        if self._noted:
            self._compare()

    def checks(self) -> tuple[Check, ...]:
        """Return what was found; heads that were never reached are missing."""
        for seq in self._noted:
            self._findings.note("noted heads", f"row {seq:,} was noted and is not there")
        self._noted.clear()
        return (
            self._findings.check("chain", f"{self.head.seq:,} rows, none changed or missing"),
            self._findings.check("times", "all in UTC"),
            self._findings.check("noted heads", self._places()),
        )

    def _places(self) -> str:
        if not self._count:
            return "none to compare with: a journal whose end is gone would look whole"
        return f"all {self._count:,} in their place"

    def _compare(self) -> None:
        for digest in self._noted.pop(self.head.seq, ()):
            if digest != self.head.hash:
                self._findings.note(
                    "noted heads", f"row {self.head.seq:,} was noted with hash {digest[:16]}..."
                )
