"""``run.py audit``: is the journal whole, what does it hold, and does all follow from it."""

from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from domain.journal import Record
from infra.brokers.paper.dice import dice
from infra.cli.render import (
    ZONE,
    Column,
    exchange_time,
    print_json,
    say,
    show_table,
)
from infra.cli.source import find_store, open_source
from infra.cli.words import describe
from infra.clock import SystemClock
from infra.plain import clean
from infra.store.audit import AuditReport, verify
from infra.store.drill import Tampering, drill
from infra.store.export import export_lines, verify_export
from infra.store.rebuild import rebuild, rewrite
from infra.store.views import Head

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
    """Check, list, export or rebuild; the exit code is 1 when something was found."""
    actions: dict[str, Callable[[Namespace], int]] = {
        "verify": _verify,
        "show": _list,
        "head": _head,
        "export": _export,
        "rebuild": _rebuild,
        "drill": _drill,
    }
    return actions[args.action](args)


def _verify(args: Namespace) -> int:
    noted = [Head(*head) for head in args.heads]
    if args.export is not None:
        report, store = verify_export(args.export, noted), args.export
    else:
        with open_source(args) as reader:
            report, store = verify(reader, noted), reader.path
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


def _head(args: Namespace) -> int:
    with open_source(args) as reader:
        head, store = reader.head(), reader.path
    if args.json:
        print_json({"store": str(store), "head_seq": head.seq, "head_hash": head.hash})
    else:
        say(f"{head.seq}:{head.hash}")
    return 0


def _export(args: Namespace) -> int:
    with open_source(args) as reader:
        for line in export_lines(reader):
            print(line)
    return 0


def _rebuild(args: Namespace) -> int:
    place = find_store(args.store)
    done = rewrite(place, clock=SystemClock()) if args.write else rebuild(place)
    if args.json:
        print_json(
            {
                "store": str(place),
                "ok": done.ok,
                "is_written": done.is_written,
                "checks": done.checks,
            }
        )
        return 0 if done.ok else _FAILED
    rows = [(check.name, "ok" if check.ok else "FAIL", check.detail) for check in done.checks]
    show_table(_CHECKS, rows)
    say()
    if done.is_written:
        say("All tables were made again from the journal and written; above is what was there.")
    elif done.ok:
        say("Made again from the journal, the tables are the same.", style="green")
    else:
        say("FAILED: stop the engine, then `audit rebuild --write` mends it.", style="bold red")
    return 0 if done.ok else _FAILED


def _drill(args: Namespace) -> int:
    store = find_store(args.store)
    missed: list[Tampering] = []
    by: Counter[str] = Counter()
    with TemporaryDirectory(prefix="oncefill-") as room:
        random = dice(args.seed, "tampering")
        trials = drill(store, Path(room), count=args.count, random=random, clock=SystemClock())
        # However it ends, its copies are taken away.
        with closing(trials):
            for trial in trials:
                by.update(trial.found_by)
                missed += [] if trial.found_by else [trial]
    if args.json:
        facts = {"store": str(store), "seed": args.seed, "count": args.count}
        print_json(facts | {"ok": not missed, "found_by": dict(by), "missed": missed})
        return _FAILED if missed else 0
    found = args.count - len(missed)
    say(f"{found:,} of {args.count:,} tamperings found, seed {args.seed}.")
    say("By " + ", ".join(f"{name} {times:,}" for name, times in by.most_common()) + ".")
    for trial in missed:
        say(f"MISSED: number {trial.number}: {trial.what}", style="bold red")
    return _FAILED if missed else 0


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
