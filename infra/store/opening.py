"""What is looked at before an engine trades on a store: is it all there, and sound?"""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, select

from domain.errors import StoreError
from infra.store.chain import GENESIS, is_whole
from infra.store.noted import Noted
from infra.store.places import Place
from infra.store.sqlite_file import damage
from infra.store.tables import JOURNAL
from infra.store.views import Head

_TAIL: Final = 200
# Half a second for each 300 MB, after a crash. Larger files: doctor and audit verify read them.
QUICK_CHECK_MAX: Final = 1024**3

_HELP: Final = "Keep the files as they are, run audit verify on a copy, and restore a copy."


def head_of(connection: Connection) -> Head:
    """Return where the journal ends."""
    chosen = select(JOURNAL.c.seq, JOURNAL.c.hash).order_by(JOURNAL.c.seq.desc()).limit(1)
    row = connection.execute(chosen).one_or_none()
    return Head(row.seq, row.hash) if row else Head(0, GENESIS)


def require_sound(connection: Connection, place: Place, noted: Noted | None) -> Head:
    """Return the head of a journal that an engine may go on with.

    Its last rows must be a chain, and reach as far as was noted. The pages of a file are read as
    well unless the last engine closed it in order: a crash may have been the disk's.

    Raises:
        StoreError: It is damaged, or its end is gone; the text says what to do.
    """
    is_small = isinstance(place, Path) and place.stat().st_size <= QUICK_CHECK_MAX
    if is_small and not (noted and noted.is_clean):
        for problem in damage(connection, quick=True):
            msg = f"{place} is damaged ({problem}). {_HELP}"
            raise StoreError(msg)
    _require_tail(connection, place)
    head = head_of(connection)
    if noted is not None:
        _require_noted(connection, place, noted.head, head)
    return head


def _require_tail(connection: Connection, place: Place) -> None:
    chosen = select(JOURNAL).order_by(JOURNAL.c.seq.desc()).limit(_TAIL)
    rows = connection.execute(chosen).all()[::-1]
    before = None
    for row in map(tuple, rows):
        seq, prev_hash, digest = row[0], row[7], row[8]
        follows = before is None or (seq, prev_hash) == (before[0] + 1, before[1])
        if not follows or not is_whole(row):
            msg = f"{place} is damaged: journal row {seq} was changed or others are gone. {_HELP}"
            raise StoreError(msg)
        before = seq, digest


def _require_noted(connection: Connection, place: Place, noted: Head, head: Head) -> None:
    chosen = select(JOURNAL.c.hash).where(JOURNAL.c.seq == noted.seq)
    found = connection.execute(chosen).scalar_one_or_none() if noted.seq else GENESIS
    if found == noted.hash:
        return
    what = "another row stands there" if found else f"it ends at row {head.seq:,}"
    msg = (
        f"The journal of {place} reached row {noted.seq:,}, and now {what}: its end is gone, or "
        "an older copy was put back. Restore the newest files with their -wal. To go on with "
        f"these, compare with the broker's orders first, then remove {place}.head."
    )
    raise StoreError(msg)
