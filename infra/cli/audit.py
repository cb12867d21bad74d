"""``run.py audit verify|show``: is the journal whole, and what does it hold."""

from argparse import Namespace
from collections.abc import Sequence
from typing import Final

from domain.journal import Record
from infra.cli.render import (
    ZONE,
    Column,
    clean,
    exchange_time,
    print_json,
    say,
    show_table,
)
from infra.cli.source import open_source
from infra.cli.words import describe
from infra.store.audit import AuditReport, verify

_CHECKS: Final = (Column(title="check"), Column(title="result"), Column(title="detail", wraps=True))
_EVENTS: Final = (
    Column(title="seq", is_number=True),
    Column(title=f"time ({ZONE})"),
    Column(title="stream"),
    Column(title="topics", drop=1),
    Column(title="what happened", wraps=True),
)
_FAILED: Final = 1


def run(args: Namespace) -> int:
    """Check or list the journal; the exit code is 1 when a check failed."""
    return _verify(args) if args.action == "verify" else _list(args)


def _verify(args: Namespace) -> int:
    with open_source(args) as reader:
        report, store = verify(reader), reader.path
    if args.json:
        print_json(
            {
                "store": str(store),
                "ok": report.ok,
                "head_seq": report.seq,
                "head_hash": report.head_hash,
                "checks": report.checks,
            }
        )
    else:
        _show_report(report)
    return 0 if report.ok else _FAILED


def _show_report(report: AuditReport) -> None:
    rows = [(check.name, "ok" if check.ok else "FAIL", check.detail) for check in report.checks]
    show_table(_CHECKS, rows)
    say()
    say(f"Head of the journal: row {report.seq:,}, hash {report.head_hash}")
    failed = sum(not check.ok for check in report.checks)
    if failed:
        say(
            f"FAILED: {failed:,} of {len(rows):,} checks. Stop trading on this store, keep a copy "
            "of it as it is, and compare the rows named above with the broker's record.",
            style="bold red",
        )
    else:
        say(f"All {len(rows):,} checks passed.", style="green")


def _list(args: Namespace) -> int:
    with open_source(args) as reader:
        # One more than is shown tells whether there are more.
        found = reader.records(after=args.after, limit=args.limit + 1, stream=args.stream)
        store = reader.path
    shown, has_more = found[: args.limit], len(found) > args.limit
    if args.json:
        events = [_facts(record) for record in shown]
        print_json({"store": str(store), "events": events, "has_more": has_more})
    elif not shown:
        of = f" of stream {clean(args.stream)}" if args.stream else ""
        say(f"No events{of} after row {args.after:,}." if args.after else f"No events{of}.")
    else:
        _show_events(shown)
        if has_more:
            say(f"More follow: --after {shown[-1].seq}, or --limit N.", style="dim")
    return 0


def _facts(record: Record) -> dict[str, object]:
    return {
        "seq": record.seq,
        "recorded_at": record.recorded_at,
        "stream": record.stream,
        "stream_seq": record.stream_seq,
        "kind": record.kind,
        "topics": record.topics,
        "summary": describe(record.event),
        "event": record.event,
    }


def _show_events(records: Sequence[Record]) -> None:
    rows = [
        (
            f"{record.seq:,}",
            exchange_time(record.recorded_at, ms=True),
            record.stream,
            # An event that is not published is named by its kind.
            ", ".join(record.topics) or record.kind,
            describe(record.event),
        )
        for record in records
    ]
    show_table(_EVENTS, rows)
