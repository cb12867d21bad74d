"""The file beside the store that holds the halts in force: works when the store does not."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import get_ident
from typing import Final, TypeAlias

from domain.errors import StoreError
from domain.halt import ACCOUNT, Halted, HaltScope, halts_after
from infra.store.codec import CODEC
from infra.store.folders import real_path

HALT_FILE: Final = "HALT"
BY_HAND: Final = f"there is a file named {HALT_FILE} beside the store"

UNREADABLE: Final = "what is noted of its halts cannot be read"

_LARGEST: Final = 2**20
_UNKNOWN: Final = datetime.fromtimestamp(0, UTC)
_TRIES: Final = 100
_Halts = dict[HaltScope, Halted]
_Identity: TypeAlias = tuple[int, ...]  # Empty: there is no file.


def halt_file(store: Path) -> Path:
    """Return where the halts of a store lie."""
    return real_path(store).with_name(HALT_FILE)


def read_halt_file(path: Path) -> _Halts:
    """Return the halts in the file; what nobody can read halts the account.

    Raises:
        OSError: It could not be looked at.
    """
    try:
        since_s = os.lstat(path).st_mtime
    except FileNotFoundError:
        return {}
    descriptor = open_halt_file(os.fspath(path))
    try:
        return halts_in(descriptor, since_s)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def open_halt_file(path: str) -> int | None:
    """Open the file, or not: what cannot be opened, as a link to nowhere, is a halt as well."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None


def halts_in(descriptor: int | None, since_s: float) -> _Halts:
    """Return the halts in an open file; ``since_s`` is for one that was made by hand."""
    text = b""
    with suppress(OSError):
        text = b"" if descriptor is None else os.pread(descriptor, _LARGEST, 0)
    by_hand = Halted(scope=ACCOUNT, reason=BY_HAND, requested_by="", at=_time_of(since_s))
    return halts_of(text) or {ACCOUNT: by_hand}


def halts_of(text: bytes) -> _Halts:
    """Return the halts in a text, one a line; none when it is not one of ours."""
    with suppress(ValueError, StoreError):
        lines = text.decode().splitlines()
        halts = halts_after({}, (CODEC.decode(Halted.__name__, line) for line in lines))
        for halt in halts.values():
            CODEC.encode(halt)  # What could not be written again counts as made by hand.
        return halts
    return {}


def text_of(halts: Mapping[HaltScope, Halted]) -> str:
    """Return the text that ``halts_of`` reads; empty without halts."""
    return "".join(f"{CODEC.encode(halt)[1]}\n" for halt in halts.values())


def change_halt_file(
    path: Path, change: Callable[[_Halts], _Halts], *, is_adding: bool
) -> _Halts | None:
    """Put what ``change`` makes of the halts in the file in its place, durably; return that.

    Args:
        path: The file; without halts there is none.
        change: Called with what the file holds; again when another has written meanwhile.
        is_adding: A halt: it is written at last, also when others write all the time.

    Returns:
        What the file holds now; None when others wrote all the time and nothing was changed.

    Raises:
        OSError: It could not be read or written; the old one stands.
    """
    for _ in range(_TRIES):
        seen = _identity(path)
        halts = change(read_halt_file(path))
        if _put(path, halts, seen):
            return halts
    if not is_adding:
        return None
    halts = change(read_halt_file(path))
    _put(path, halts, None)
    return halts


def _put(path: Path, halts: Mapping[HaltScope, Halted], seen: _Identity | None) -> bool:
    """Replace the file, or not when it is no more the one that was ``seen``."""
    fresh = _write_fresh(path, halts) if halts else None
    # Between this look and the next call nothing is done that takes time.
    if seen is not None and _identity(path) != seen:
        if fresh is not None:
            fresh.unlink()
        return False
    if fresh is not None:
        fresh.replace(path)
    else:
        path.unlink(missing_ok=True)
    _sync_folder(path.parent)
    return True


def _write_fresh(path: Path, halts: Mapping[HaltScope, Halted]) -> Path:
    text = text_of(halts)
    fresh = path.with_name(f".{path.name}-{os.getpid()}-{get_ident()}")
    with suppress(FileNotFoundError):
        fresh.unlink()
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    return fresh


def _identity(path: Path) -> _Identity:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _time_of(since_s: float) -> datetime:
    """A file can bear a time that no calendar has; it halts all the same."""
    try:
        return datetime.fromtimestamp(since_s, UTC)
    except (OSError, OverflowError, ValueError):
        return _UNKNOWN


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
