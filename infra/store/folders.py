"""Where stores lie: a folder for each run under ``.oncefill/``, and a pointer to the latest."""

import os
from pathlib import Path
from typing import Final

from domain.errors import StoreError
from domain.ports import Clock

STORE_FILE: Final = "oncefill.db"
MAIN_RUN: Final = "main"  # Where an engine keeps its store unless told otherwise.
_POINTER: Final = "latest"


def real_path(store: Path) -> Path:
    """Return where a store's file lies; whatever names it, its other files lie there as well.

    Locks and halts count only when all who name the store, by a link or not, mean the same files.
    """
    return Path(os.path.realpath(store))


def beside(store: Path, ending: str) -> Path:
    """Return the file of the store whose name has that ending, as ``.lock``."""
    real = real_path(store)
    return real.with_name(real.name + ending)


def new_run_folder(base: Path, name: str, clock: Clock) -> Path:
    """Make ``<base>/<name>-<date>-<time>`` (0700), point ``latest`` at it and return it.

    Raises:
        StoreError: The folder cannot be made.
    """
    start = f"{name}-{clock.now():%Y%m%d-%H%M%S}"
    try:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = _make_first_free(base, start)
        # Written beside and moved: a reader finds the old pointer or the new one, never half.
        fresh = base / f".{_POINTER}-{os.getpid()}"
        fresh.write_text(folder.name + "\n", encoding="utf-8")
        fresh.replace(base / _POINTER)
    except OSError as error:
        msg = f"No run folder can be made in {base}: {error.strerror}. Name another with --store."
        raise StoreError(msg) from error
    return folder


def latest_store(base: Path) -> Path:
    """Return the store of the latest run under ``base``; without one, an engine's own.

    Raises:
        StoreError: Nothing has run there yet.
    """
    name = _pointed_to(base)
    for folder in (name, MAIN_RUN):
        if folder and (base / folder / STORE_FILE).is_file():
            return base / folder / STORE_FILE
    if name is None:
        msg = f"There is no run in {base} yet; start one, or name a store with --store."
    else:
        msg = f"The latest run in {base} has no store; name one with --store."
    raise StoreError(msg)


def _pointed_to(base: Path) -> str | None:
    """The name of the latest run's folder, empty when it is none; None without a pointer."""
    try:
        name = (base / _POINTER).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
    return name if Path(name).name == name else ""


def _make_first_free(base: Path, start: str) -> Path:
    """Two runs may begin within one second."""
    number = 1
    while True:
        folder = base / (start if number == 1 else f"{start}-{number}")
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            number += 1
        else:
            return folder
