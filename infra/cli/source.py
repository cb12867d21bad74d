"""Where a reader command gets its facts: which store, and is an engine running on it."""

import json
import os
import socket
import sys
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import func, select

from domain.errors import StoreError
from infra.config import DOTENV, named_store
from infra.store.folders import MAIN_RUN, STORE_FILE, beside, latest_store, real_path
from infra.store.places import Place, holder_of, is_url, place_of
from infra.store.reading import Reader, open_reader_at
from infra.store.tables import CHECKPOINTS, FILLS, JOURNAL

BASE: Final = Path(".oncefill")
_POINTER: Final = "latest"


class NoStoreError(StoreError):
    """Nothing has run here yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who wrote its name into the lock file last.

    Attributes:
        started_at: As it stands there, in UTC.
        is_running: It still has the lock file open; None when it is on another machine.
    """

    pid: int
    host: str
    started_at: str
    is_running: bool | None


def program() -> str:
    """Return what a user types to run a command: the checkout's script or the installed one."""
    return "oncefill" if Path(sys.argv[0]).name == "oncefill" else "python3 run.py"


def find_store(named: Path | str | None) -> Place:
    """Return the store: the named file or URL, one in the named folder, or the latest run's.

    Where nothing points at a run it is the store that an engine keeps by default.

    Raises:
        NoStoreError: Nothing has run in ``.oncefill`` yet.
        StoreError: The latest run has no store, or the folder cannot be looked into.
    """
    if isinstance(named, str):
        return place_of(named)
    try:
        return _find(named)
    except OSError as error:
        msg = f"{named or BASE} cannot be read: {error.strerror}; check its permissions."
        raise StoreError(msg) from error


def _find(named: Path | None) -> Path:
    if named is not None and not named.is_dir():
        return named
    base = named or BASE
    has_pointer = (base / _POINTER).exists()
    if not has_pointer and (base / STORE_FILE).is_file():
        return base / STORE_FILE
    if has_pointer or (base / MAIN_RUN / STORE_FILE).is_file():
        return latest_store(base)
    msg = f"No store yet in {base}; run `{program()} demo` first"
    raise NoStoreError(msg)


def store_in(named: Path | str | None) -> Place:
    """Return the store of a served engine: in the named folder, the named file or URL itself.

    Without a name it is the one that ONCEFILL_STORE names (in the environment, in ``.env`` or
    among the secrets), or the default.

    Raises:
        InvalidInputError: One of these cannot be read.
    """
    if named is None:
        named = named_store(os.environ, DOTENV) or BASE / MAIN_RUN
    if isinstance(named, str) and is_url(named):
        return place_of(named)
    folder = Path(named)
    is_file = folder.suffix == Path(STORE_FILE).suffix and not folder.is_dir()
    return real_path(folder if is_file else folder / STORE_FILE)


def open_source(args: Namespace) -> Reader:
    """Open the store that a reader command is about.

    Raises:
        StoreError: There is none, or it cannot be read; the text says what to do.
    """
    return open_reader_at(find_store(args.store))


def hashes(reader: Reader, stream: str) -> dict[int, str]:
    """Return the hash of each journal row of a stream, by its number."""
    chosen = select(JOURNAL.c.seq, JOURNAL.c.hash).where(JOURNAL.c.stream == stream)
    with reader.snapshot() as connection:
        return {row.seq: row.hash for row in connection.execute(chosen)}


def fills_not_applied(reader: Reader) -> int:
    """Return how many booked fills are not in positions and P&L yet."""
    applied = select(func.coalesce(func.max(CHECKPOINTS.c.seq), 0)).scalar_subquery()
    chosen = select(func.count()).select_from(FILLS).where(FILLS.c.seq > applied)
    with reader.snapshot() as connection:
        return int(connection.execute(chosen).scalar_one())


def lock_holder(path: Place) -> Holder | None:
    """Return who holds, or held last, the lock of the store at ``path``; None when nobody did.

    Never touches the lock itself: even a moment of holding it could turn an engine away.
    """
    is_held = None
    try:
        if isinstance(path, Path):
            lock_path = beside(path, ".lock")
            text = lock_path.read_text(encoding="utf-8")
        else:
            text, is_held = holder_of(path)
        written = json.loads(text)
        pid, host = int(written["pid"]), str(written["host"])
        started_at = str(written["started_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if is_held is not None:
        return Holder(pid=pid, host=host, started_at=started_at, is_running=is_held)
    running = _has_open(pid, lock_path) if host == socket.gethostname() else None
    return Holder(pid=pid, host=host, started_at=started_at, is_running=running)


def _has_open(pid: int, path: Path) -> bool:
    """Return whether that process is alive and, where the system tells, has the file open."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    descriptors = Path(f"/proc/{pid}/fd")
    try:
        # A number is used again by other processes: being alive alone proves nothing.
        return any(_is_same(descriptor, path) for descriptor in descriptors.iterdir())
    except OSError:
        return True


def _is_same(descriptor: Path, path: Path) -> bool:
    try:
        return descriptor.samefile(path)
    except OSError:
        return False
