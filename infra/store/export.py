"""The journal as lines of JSON that anyone can check without Oncefill, and the check of such lines.

Each line is an object with the row's columns as they are stored. A row's ``hash`` is the SHA-256,
in hex, of the compact UTF-8 JSON array ``[prev_hash, seq, stream, stream_seq, kind, topics, data,
recorded_at]``; ``prev_hash`` is the hash of the row before, 64 zeros for the first. In Python:
``sha256(json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()``.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from domain.errors import StoreError
from infra.store.audit import AuditReport
from infra.store.belonging import has_topics, is_at_home
from infra.store.chain import Chain
from infra.store.codec import CODEC
from infra.store.findings import Findings
from infra.store.reading import Reader
from infra.store.views import Head, JournalLine

_ENCODE: Final = msgspec.json.Encoder().encode
_DECODER: Final = msgspec.json.Decoder(JournalLine)


def export_lines(reader: Reader) -> Iterator[str]:
    """Yield the journal as of one moment, a line of JSON for each row, without line ends."""
    with reader.snapshot():
        for line in reader.lines():
            yield _ENCODE(line).decode()


def verify_export(path: Path, noted: Sequence[Head] = ()) -> AuditReport:
    """Check an exported journal by itself: its chain, its streams, and that events can be read.

    Raises:
        StoreError: The file cannot be read.
    """
    findings = Findings()
    chain = Chain(findings, noted)
    versions: dict[str, int] = {}
    for line in _lines(path, findings):
        row = tuple(getattr(line, name) for name in JournalLine.__slots__)
        chain.take(row)
        _check_event(line, versions, findings)
    checks = (
        findings.check("lines", "every line is a row"),
        *chain.checks(),
        findings.check("streams", f"{len(versions):,} streams without a gap"),
        findings.check("events", "all readable"),
        findings.check("topics", "each event's own"),
    )
    ok = all(check.ok for check in checks)
    return AuditReport(ok=ok, seq=chain.head.seq, head_hash=chain.head.hash, checks=checks)


def _lines(path: Path, findings: Findings) -> Iterator[JournalLine]:
    try:
        with path.open("rb") as file:
            number = 0
            for number, text in enumerate(file, 1):
                try:
                    line = _DECODER.decode(text)
                except ValueError as error:
                    findings.note("lines", f"line {number} is no journal row: {error}")
                    continue
                if _ENCODE(line) != text.rstrip(b"\r\n"):
                    # A field more, or one twice, of which another reader may take the other.
                    findings.note("lines", f"line {number} is not as audit export writes it")
                yield line
            if not number:
                findings.note("lines", "the file is empty: it holds no row")
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}; name a file that audit export wrote."
        raise StoreError(msg) from error


def _check_event(line: JournalLine, versions: dict[str, int], findings: Findings) -> None:
    version = versions.get(line.stream, 0) + 1
    versions[line.stream] = version
    if line.stream_seq != version:
        problem = f"row {line.seq} {line.stream_seq} of {line.stream}, expected {version}"
        findings.note("streams", problem)
    try:
        event: Any = CODEC.decode(line.kind, line.data)
    except StoreError as error:
        findings.note("events", f"row {line.seq} {error}")
        return
    if not is_at_home(event, line.stream):
        findings.note("streams", f"row {line.seq} a {line.kind} does not belong to {line.stream}")
    if not has_topics(event, line.topics):
        problem = f"row {line.seq} a {line.kind} is not published as {line.topics!r}"
        findings.note("topics", problem)
