"""The file beside the store that holds the halts in force: works when the store does not."""

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from domain.errors import StoreError
from domain.halt import ACCOUNT, Halted, HaltScope, halts_after
from infra.store.codec import CODEC

HALT_FILE: Final = "HALT"
BY_HAND: Final = f"there is a file named {HALT_FILE} beside the store"

_LARGEST: Final = 2**20
_UNKNOWN: Final = datetime.fromtimestamp(0, UTC)
_Halts = dict[HaltScope, Halted]


def halt_file(store: Path) -> Path:
    """Return where the halts of a store lie."""
    return store.with_name(HALT_FILE)


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
    halts: _Halts = {}
    with suppress(OSError, ValueError, StoreError):
        text = b"" if descriptor is None else os.pread(descriptor, _LARGEST, 0)
        lines = text.decode().splitlines()
        read = halts_after({}, (CODEC.decode(Halted.__name__, line) for line in lines))
        for halt in read.values():
            CODEC.encode(halt)  # What could not be written again counts as made by hand.
        halts = read
    by_hand = Halted(scope=ACCOUNT, reason=BY_HAND, requested_by="", at=_time_of(since_s))
    return halts or {ACCOUNT: by_hand}


def write_halt_file(path: Path, halts: Mapping[HaltScope, Halted]) -> None:
    """Put the file in the place of the old one, durably; without halts there is none.

    Raises:
        OSError: It could not be written; the old one stands.
    """
    if halts:
        fresh = path.with_name(f".{path.name}-{os.getpid()}")
        with suppress(FileNotFoundError):
            fresh.unlink()
        text = "".join(f"{CODEC.encode(halt)[1]}\n" for halt in halts.values())
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(path)
    else:
        path.unlink(missing_ok=True)
    _sync_folder(path.parent)


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
