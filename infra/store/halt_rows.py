"""Rows that a person's command writes beside the engine: chained like all, whatever its epoch."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, func, insert, select

from domain.halt import Halted, HaltEvent, HaltScope, Resumed, halts_after
from domain.ports import Clock
from infra.store.chain import GENESIS, row_hash
from infra.store.codec import CODEC, utc_text
from infra.store.statements import compiled
from infra.store.tables import JOURNAL, META

HALTS: Final = "halt"
NOTE: Final = "halts"  # The key in meta of what is noted of them on PostgreSQL.
PASSING: Final = "passing "  # Keys in meta there begin so: calls that were let through.

_TOPICS: Final[dict[type, str]] = {Halted: "trading.halted", Resumed: "trading.resumed"}
# On PostgreSQL who writes waits here for who wrote before; SQLite's transaction holds the file.
_QUEUE: Final = select(META.c.value).where(META.c.key == "epoch").with_for_update()
_HEAD: Final = select(JOURNAL.c.seq, JOURNAL.c.hash).order_by(JOURNAL.c.seq.desc()).limit(1)
_VERSION: Final = select(func.max(JOURNAL.c.stream_seq)).where(JOURNAL.c.stream == HALTS)
# What every order asks: the epoch, and whether there are halts that it has not seen.
LAST_HALT: Final = _VERSION.scalar_subquery()
IS_EPOCH: Final = META.c.key == "epoch"
LOOK: Final = compiled(select(META.c.value, LAST_HALT).where(IS_EPOCH))
HALT_ROWS: Final = (
    select(JOURNAL.c.kind, JOURNAL.c.data)
    .where(JOURNAL.c.stream == HALTS)
    .order_by(JOURNAL.c.stream_seq)
)


def append_halts(connection: Connection, events: Sequence[HaltEvent], clock: Clock) -> None:
    """Chain the events to the journal, within a transaction that holds the write lock."""
    connection.execute(_QUEUE)
    head = connection.execute(_HEAD).one_or_none()
    seq, prev_hash = (head.seq, head.hash) if head else (0, GENESIS)
    version = connection.execute(_VERSION).scalar() or 0
    recorded_at = utc_text(clock.now())
    for number, event in enumerate(events, start=1):
        kind, data = CODEC.encode(event)
        topic = _TOPICS[type(event)]
        place = (seq + number, HALTS, version + number)
        digest = row_hash((prev_hash, *place, kind, topic, data, recorded_at))
        values = (*place, kind, topic, data, recorded_at, prev_hash, digest)
        row: dict[str, Any] = dict(zip(JOURNAL.c.keys(), values, strict=True))
        connection.execute(insert(JOURNAL), row)
        prev_hash = digest


def recorded_halts(connection: Connection) -> dict[HaltScope, Halted]:
    """Return the halts in force by the journal."""
    rows = connection.execute(HALT_ROWS)
    return halts_after({}, (CODEC.decode(row.kind, row.data) for row in rows))
