"""``run.py db``: bring an older store's tables up to date, or back a store up."""

from argparse import Namespace
from pathlib import Path
from typing import Final

from domain.errors import InvalidInputError, StoreError
from infra.cli.out_file import require_apart, written_beside
from infra.cli.render import print_json, say
from infra.cli.source import find_store
from infra.clock import SystemClock
from infra.store.audit import AuditReport
from infra.store.backup import back_up
from infra.store.drivers import PostgresPlace
from infra.store.reading import open_reader_at
from infra.store.store import upgrade_store
from infra.store.tables import SCHEMA_VERSION

_MOST_SHOWN: Final = 3


def run(args: Namespace) -> int:
    """Upgrade or back up; the exit code is 0.

    Raises:
        InvalidInputError: The backup's file is there already, or the store is on a server.
        StoreError: The store cannot be used, or its copy is not sound.
    """
    return _back_up(args) if args.action == "backup" else _upgrade(args)


def _upgrade(args: Namespace) -> int:
    """Upgrade the store; no engine may run on it."""
    place = find_store(args.store)
    version = upgrade_store(place, clock=SystemClock())
    if args.json:
        print_json({"store": str(place), "was": version, "now": SCHEMA_VERSION})
    elif version == SCHEMA_VERSION:
        say(f"{place} has schema {version}: up to date.")
    else:
        say(f"{place}: schema {version} is now {SCHEMA_VERSION}.", style="green")
    return 0


def _back_up(args: Namespace) -> int:
    """Copy, audit the copy, and only then give it its name."""
    place = find_store(args.store)
    if isinstance(place, PostgresPlace):
        raise InvalidInputError("--store", _use_pg_dump(place))
    open_reader_at(place).close()
    require_apart("FILE", args.file, place)
    with written_beside("FILE", args.file, is_new=True) as fresh:
        report = back_up(place, fresh)
        if not report.ok:
            raise StoreError(_not_sound(place, report))
        size = fresh.stat().st_size
    if args.json:
        facts = {"store": str(place), "file": str(args.file), "bytes": size}
        head = {"head_seq": report.seq, "head_hash": report.head_hash}
        print_json(facts | {"ok": True, **head, "checks": report.checks})
    else:
        say(f"Backed {place} up to {args.file}: {size:,} bytes, {report.seq:,} journal rows.")
        say(f"All {len(report.checks):,} checks passed. Its head: {report.seq}:{report.head_hash}")
    return 0


def _use_pg_dump(place: PostgresPlace) -> str:
    return (
        "backup is for store files; back this one up on its server: "
        f"pg_dump --format=custom --schema={place.schema} --file=FILE DATABASE. "
        "After pg_restore run audit verify on it"
    )


def _not_sound(place: Path, report: AuditReport) -> str:
    failed = [f"{check.name}: {check.detail}" for check in report.checks if not check.ok]
    return (
        f"The copy of {place} is not sound, and was not kept ({'; '.join(failed[:_MOST_SHOWN])}). "
        "Run audit verify on the store; to keep it as it is, copy its files while no engine runs."
    )
