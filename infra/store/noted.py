"""The head of the journal, noted in a small file beside the store.

A journal whose end is gone looks whole: an emptied log of commits (``-wal``), or an older copy put
back. After every commit the head is written here, so that the next start misses what is missing.
It is forced to disk when an engine opens and closes the store; between, a killed engine leaves it
as it was, and after a power cut it may be older than the journal, never newer.
"""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from infra.store.folders import beside
from infra.store.views import Head

_SUM: Final = 16
_SIZE: Final = 160  # Always the same, well within what a disk writes at once.


@dataclass(frozen=True, slots=True)
class Noted:
    """What stood in the file. ``is_clean``: the engine that wrote it closed the store."""

    head: Head
    is_clean: bool


def read_noted(store: Path) -> Noted | None:
    """Return what was noted beside the store; None when nothing that can be read was."""
    try:
        found = json.loads(_path_of(store).read_text(encoding="utf-8"))
        head = Head(int(found["seq"]), str(found["hash"]))
        is_edited = found["sum"] != _sum(head, json.dumps(found["clean"]))
        return None if is_edited else Noted(head, is_clean=found["clean"] is True)
    except (OSError, ValueError, LookupError, TypeError):
        return None


def noted_fault(store: Path) -> str:
    """Return what is wrong with the file beside the store; empty when it is not there.

    An empty file says nothing: an engine that was killed as it opened the store left it so.
    """
    path = _path_of(store)
    try:
        is_odd = bool(path.read_bytes()) and read_noted(store) is None
    except OSError:
        return ""
    return f"{path.name} holds no head as it was written: none compared" if is_odd else ""


class HeadFile:
    """The file, while an engine has the store open; readable by its owner only."""

    def __init__(self, store: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._descriptor: int | None = os.open(_path_of(store), flags, 0o600)

    def note(self, head: Head) -> None:
        """Write the head; an error leaves the one before, which is right as well."""
        with suppress(OSError):
            self._write(head, is_clean=False)

    def force(self, head: Head, *, is_clean: bool) -> None:
        """Write the head so that it outlives a power cut; raise OSError."""
        self._write(head, is_clean=is_clean)
        if self._descriptor is not None:
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, head: Head, *, is_clean: bool) -> None:
        if self._descriptor is not None:
            word = "true" if is_clean else "false"
            said = f'"seq": {head.seq}, "hash": "{head.hash}", "clean": {word}'
            text = f'{{{said}, "sum": "{_sum(head, word)}"}}'
            os.pwrite(self._descriptor, text.ljust(_SIZE - 1).encode() + b"\n", 0)


def _sum(head: Head, word: str) -> str:
    """Return a checksum: for who edits the file by hand, not for who knows how it is made."""
    return sha256(f"{head.seq} {head.hash} {word}".encode()).hexdigest()[:_SUM]


def _path_of(store: Path) -> Path:
    return beside(store, ".head")
