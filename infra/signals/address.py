"""Where an engine's local socket lies, and how it is reached when the path is too long for one."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from domain.errors import StoreError
from infra.store.folders import real_path

SOCKET_FILE: Final = "oncefill.sock"
_LONGEST: Final = 103  # sun_path holds 104 bytes on macOS, 108 on Linux, the last one is zero.


def socket_path(store: Path) -> Path:
    """Return the socket of the engine on that store."""
    return real_path(store).with_name(SOCKET_FILE)


@contextmanager
def address(path: Path) -> Iterator[str]:
    """Give a name for ``path`` that fits into a socket address.

    Raises:
        StoreError: There is none.
        OSError: The folder cannot be opened.
    """
    if len(os.fsencode(path)) <= _LONGEST:
        yield os.fspath(path)
        return
    if sys.platform != "linux":
        msg = f"{path} is too long for a socket; put the store in a folder with a shorter name."
        raise StoreError(msg)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
