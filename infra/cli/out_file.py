"""Files that a command writes: there as a whole, or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp

from domain.errors import InvalidInputError, OncefillError
from infra.store.folders import real_path
from infra.store.places import Place


@contextmanager
def written_beside(field: str, target: Path, *, is_new: bool = False) -> Iterator[Path]:
    """Give an empty file (0600) beside ``target``; what was written there becomes ``target``.

    If anything goes wrong inside, ``target`` stays as it was.

    Args:
        field: The option that named the file.
        target: A file, replaced when it is there, or a name not used yet.
        is_new: Never replace a file.

    Raises:
        InvalidInputError: ``target`` is no file, or is there and ``is_new``.
        OncefillError: It cannot be written.
    """
    try:
        _require_name(field, target, is_new=is_new)
        target = real_path(target)
        descriptor, name = mkstemp(prefix=".oncefill-", suffix=".part", dir=target.parent)
        os.close(descriptor)
        fresh = Path(name)
        try:
            yield fresh
            _sync(fresh)
            if is_new:
                # A link, unlike a rename, takes no name that another has taken meanwhile.
                os.link(fresh, target)
            else:
                fresh.replace(target)
            _sync(target.parent)
        finally:
            with suppress(FileNotFoundError):
                fresh.unlink()
    except OSError as error:
        msg = f"{target} cannot be written: {error.strerror}. Name another file."
        raise OncefillError(msg) from error


def require_apart(field: str, target: Path, store: Place) -> None:
    """Raise InvalidInputError when ``target`` is the store's file or one that belongs to it."""
    if not isinstance(store, Path):
        return
    real, store = real_path(target), real_path(store)
    if real.parent == store.parent and real.name.startswith(store.name):
        raise InvalidInputError(field, f"{target} belongs to the store; name another file")


def _require_name(field: str, target: Path, *, is_new: bool) -> None:
    if is_new and os.path.lexists(target):
        raise InvalidInputError(field, f"{target} is there already; name a file that is not")
    if target.exists() and not target.is_file():
        raise InvalidInputError(field, f"{target} is no file; name one")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
