"""Where an engine's local socket lies, and how it is reached when the path is too long for one.

Beside a store's file; for a store on a server in a folder of its own below the user's state folder,
which all who name the store in the same words find again.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

from domain.errors import InvalidInputError, StoreError
from infra.store.drivers import PostgresPlace
from infra.store.folders import real_path
from infra.store.places import Place

RUNTIME: Final = "ONCEFILL_RUNTIME"
SOCKET_FILE: Final = "oncefill.sock"
_LONGEST: Final = 103  # sun_path holds 104 bytes on macOS, 108 on Linux, the last one is zero.


def socket_path(store: Place) -> Path:
    """Return the socket of the engine on that store."""
    return folder_of(store) / SOCKET_FILE


def folder_of(store: Place) -> Path:
    """Return the folder of what lies beside a store: its socket, its log, the paper broker's book.

    Raises:
        InvalidInputError: ONCEFILL_RUNTIME, or the home folder where it is not given, is of no use.
    """
    if isinstance(store, Path):
        return real_path(store).parent
    return _runtime() / f"{store.schema}-{_digest(store)}"


def _runtime() -> Path:
    given = os.environ.get(RUNTIME, "")
    if given:
        if not Path(given).is_absolute():
            raise InvalidInputError(RUNTIME, "give the full path of a folder, from / on")
        return Path(given)
    try:
        state = Path(os.environ.get("XDG_STATE_HOME", ""))
        return (state if state.is_absolute() else Path.home() / ".local" / "state") / "oncefill"
    except RuntimeError as error:
        problem = "this user has no home folder; name one for the engine's socket by that variable"
        raise InvalidInputError(RUNTIME, problem) from error


def _digest(store: PostgresPlace) -> str:
    """Two databases are two folders, also where libpq's own variables name them."""
    parts = {"host": "PGHOST", "port": "PGPORT", "dbname": "PGDATABASE", "service": "PGSERVICE"}
    named = (store.options.get(key) or os.environ.get(name, "") for key, name in parts.items())
    return sha256("\0".join((*named, store.schema)).encode()).hexdigest()[:12]


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
        msg = f"{path} is too long for a socket; put the store, or {RUNTIME}, in a shorter folder."
        raise StoreError(msg)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
