"""Is the record whole, and does everything shown follow from it? Recomputed from the first row.

The chain finds what was changed, moved, added or taken out. A journal whose end was cut off still
looks whole: its head has to be noted elsewhere, as the engine does in its log and in the file
beside the store. Rows are read in parts and orders replayed one at a time, however many there are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from domain.errors import StoreError
from infra.store.chain import Chain
from infra.store.compare import compare
from infra.store.findings import Check, Findings
from infra.store.noted import Noted, noted_fault, read_noted
from infra.store.places import damage, guards_missing
from infra.store.reading import Reader
from infra.store.replay import Replay
from infra.store.schema import meta_sum, tables_sum
from infra.store.scratch import Scratch
from infra.store.views import Head


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """The result of an audit, as of journal row ``seq``."""

    ok: bool
    seq: int
    head_hash: str
    checks: tuple[Check, ...]


def verify(reader: Reader, noted: Sequence[Head] = ()) -> AuditReport:
    """Check the whole store at one moment, while an engine runs or not.

    Args:
        reader: The store.
        noted: Heads that were noted outside the store; each has to be in the journal.

    Raises:
        StoreError: The store cannot be read at all.
    """
    findings = Findings()
    beside = _noted_beside(reader, findings)
    checks: list[Check] = []
    with reader.snapshot():
        chain = Chain(findings, (*noted, *((beside.head,) if beside else ())))
        for part in (_files, _chain, _replayed):
            # What cannot be read is found as well, and the other parts are looked at all the same.
            try:
                checks += part(reader, chain, findings)
            except StoreError as error:
                findings.note("reading", f"after row {chain.head.seq}: {error}")
        checks.append(findings.check("reading", "every row could be read"))
    return AuditReport(
        ok=all(check.ok for check in checks),
        seq=chain.head.seq,
        head_hash=chain.head.hash,
        checks=tuple(checks),
    )


def _noted_beside(reader: Reader, findings: Findings) -> Noted | None:
    """What was noted before the moment that is looked at; an older moment need not have it."""
    if isinstance(reader.path, Path) and not reader.is_in_snapshot:
        if fault := noted_fault(reader.path):
            findings.note("noted heads", fault)
        return read_noted(reader.path)
    return None


def _files(reader: Reader, _chain: Chain, findings: Findings) -> Iterator[Check]:
    with reader.snapshot() as connection:
        for problem in damage(reader.path, connection):
            findings.note("pages", problem)
        for name in guards_missing(reader.path, connection):
            findings.note("triggers", f"{name} is missing or was changed")
        if reader.meta().get("tables") != tables_sum(connection):
            findings.note("tables", "their descriptions are not those that they were made with")
    yield findings.check("pages", "the database finds its pages sound")
    yield findings.check("triggers", "the journal refuses changes")
    yield findings.check("tables", "as they were made")


def _chain(reader: Reader, chain: Chain, _findings: Findings) -> Sequence[Check]:
    for row in reader.journal_rows():
        chain.take(row)
    return chain.checks()


def _replayed(reader: Reader, _chain: Chain, findings: Findings) -> Iterator[Check]:
    meta = reader.meta()
    with Scratch() as fresh:
        replay = Replay(meta["account_id"], fresh, findings)
        yield from replay.run(reader)
        yield from compare(reader, fresh, findings)
    epoch = meta.get("epoch", "")
    if not epoch.isdecimal() or int(epoch) < replay.epoch:
        findings.note("meta", f"epoch {epoch!r}, and an engine was started with {replay.epoch}")
    if meta.get("sum") != meta_sum(meta):
        findings.note("meta", "what the store says about itself was changed")
    yield findings.check("meta", f"account {meta['account_id']}, epoch {epoch}")
