"""``run.py doctor``: are this machine and the store fit to trade, and what to do if not."""

import os
import shutil
import stat
import sys
import tempfile
import time
import tomllib
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from statistics import median
from typing import Final

from sqlalchemy import select

from domain.errors import StoreError
from infra.cli.bootstrap import missing
from infra.cli.render import (
    Column,
    counted,
    duration,
    exchange_time,
    print_json,
    say,
    show_table,
)
from infra.cli.source import NoStoreError, find_store, lock_holder
from infra.clock import SystemClock
from infra.plain import clean
from infra.store.chain import row_hash
from infra.store.halts import halts_in_force
from infra.store.places import Place
from infra.store.reading import Reader, open_reader_at
from infra.store.tables import JOURNAL, SCHEMA_VERSION

OK, WARN, FAIL = "ok", "warn", "FAIL"
ROOT: Final = Path(__file__).parents[2]

_COLUMNS: Final = (
    Column(title="check"),
    Column(title="result"),
    Column(title="what was found, and what to do", wraps=True),
)
_OLDEST_PYTHON: Final = (3, 11)
_OTHERS, _OTHERS_WRITE = 0o077, 0o022
_OLDEST_YEAR: Final = 2024
_SPACE_FAIL, _SPACE_WARN = 100 * 1024**2, 1024**3
_LARGE: Final = 256 * 1024**2  # Is read within about a second.
_SYNCS: Final = 20
_SYNC_BYTES: Final = 4096
_SYNC_SLOW_MS: Final = 20.0
_SYNC_UNREAL_MS: Final = 0.005
_CLOCK_WATCH_S: Final = 0.05
_CLOCK_DRIFT_S: Final = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the doctor's report; ``todo`` is empty when all is well."""

    check: str
    result: str = OK
    detail: str
    todo: str = ""

    @property
    def text(self) -> str:
        """What was found, and what to do about it."""
        return f"{self.detail}. {self.todo}" if self.todo else self.detail


def run(args: Namespace) -> int:
    """Check the machine, then the store if there is one; the exit code is 1 on a failure."""
    findings = [*machine(), *_store(args.store)]
    ok = all(finding.result != FAIL for finding in findings)
    if args.json:
        checks = [
            {"check": f.check, "result": f.result.lower(), "detail": f.detail, "todo": f.todo}
            for f in findings
        ]
        print_json({"ok": ok, "checks": checks})
        return 0 if ok else 1
    show_table(_COLUMNS, [(f.check, f.result, f.text) for f in findings])
    failed = sum(finding.result == FAIL for finding in findings)
    warned = sum(finding.result == WARN for finding in findings)
    say()
    if failed:
        say(f"Not fit to trade: {counted(failed, 'check')} failed.", style="bold red")
    else:
        warnings = f", {counted(warned, 'warning')}" if warned else ""
        say(f"Fit to trade{warnings}.", style="green")
    return 0 if ok else 1


def machine() -> Iterator[Finding]:
    """Check what any run needs."""
    yield python_version(sys.version_info[:3])
    yield packages(ROOT)
    yield clock(SystemClock())


def _store(named: Path | str | None) -> Iterator[Finding]:
    """Check the store and where it lies; without one, where it would lie."""
    try:
        path = find_store(named)
    except NoStoreError as error:
        yield Finding(check="store", result=WARN, detail="none yet", todo=str(error))
        yield from _disk(Path.cwd())
        return
    except StoreError as error:
        yield Finding(check="store", result=FAIL, detail="not found", todo=str(error))
        return
    try:
        with open_reader_at(path) as reader, reader.snapshot():
            yield from _inside(reader)
    except StoreError as error:
        yield Finding(check="store", result=FAIL, detail=f"{path} not usable", todo=str(error))
    if isinstance(path, Path) and not path.parent.is_dir():
        return
    yield from around(path)
    if isinstance(path, Path):
        yield from _disk(path.parent)


def _inside(reader: Reader) -> Iterator[Finding]:
    meta = reader.meta()
    what = f"{reader.path}, account {meta.get('account_id')}, schema {SCHEMA_VERSION}"
    yield Finding(check="store", detail=f"{what}, epoch {meta.get('epoch')}")
    if isinstance(reader.path, Path):
        yield pages(reader, reader.path)
    yield journal_head(reader)
    records = reader.records(after=max(0, reader.head().seq - 1))
    if records and (ahead := records[-1].recorded_at - datetime.now(UTC)).total_seconds() > 1:
        yield Finding(
            check="journal time",
            result=WARN,
            detail=f"its last event is {duration(ahead)} ahead of this clock",
            todo="Set the clock, unless the store is of a simulation.",
        )


def pages(reader: Reader, path: Path) -> Finding:
    """Read the whole file as the database's own check does; nothing is written."""
    size = path.stat().st_size
    if size > _LARGE:
        print(f"Reading all of the store, {size / 1024**3:,.1f} GB.", file=sys.stderr, flush=True)
    with reader.snapshot() as connection:
        said = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    if said == "ok":
        return Finding(check="store file", detail=f"whole, {size / 1024**2:,.1f} MB")
    return Finding(
        check="store file",
        result=FAIL,
        detail=f"damaged: {clean(said)}",
        todo="Stop trading on it, keep it as it is, and restore a copy.",
    )


def journal_head(reader: Reader) -> Finding:
    """Check the hash of the last row alone; ``audit verify`` checks them all."""
    with reader.snapshot() as connection:
        chosen = select(JOURNAL).order_by(JOURNAL.c.seq.desc()).limit(1)
        row = connection.execute(chosen).one_or_none()
    if row is None:
        return Finding(check="journal head", detail="the journal is empty")
    covered = (
        row.prev_hash,
        row.seq,
        row.stream,
        row.stream_seq,
        row.kind,
        row.topics,
        row.data,
        row.recorded_at,
    )
    if row_hash(covered) != row.hash:
        return Finding(
            check="journal head",
            result=FAIL,
            detail=f"row {row.seq:,} was changed after it was written",
            todo="Stop trading on it, keep a copy, and run audit verify.",
        )
    return Finding(check="journal head", detail=f"row {row.seq:,}, hash {row.hash[:8]}")


def around(path: Place) -> Iterator[Finding]:
    """Check what is beside the store: files that others may read, who holds the lock, halts."""
    if isinstance(path, Path):
        yield modes(path)
    yield lock(path)
    try:
        for halt in halts_in_force(path).values():
            todo = f"Resume it when it may trade again: resume --scope {halt.scope} --reason WHY."
            yield Finding(check="halt", result=WARN, detail=halt.text, todo=todo)
    except StoreError as error:
        yield Finding(check="halt", result=WARN, detail="not known", todo=str(error))


def modes(path: Path) -> Finding:
    """Check that nobody but the owner can read the store and what belongs to it."""
    # Not all that lies beside it: the folder may be one that serves other things as well.
    files = [*path.parent.glob(f"{path.name}*"), *path.parent.glob("paper.db*")]
    looked_at = [path.parent, *sorted(files)]
    open_to = {each: mode for each in looked_at if (mode := _mode(each)) & _OTHERS}
    if not open_to:
        return Finding(
            check="file modes", detail=f"folder and {counted(len(files), 'file')} private"
        )
    shown = ", ".join(f"{each.name or each} {mode:04o}" for each, mode in open_to.items())
    is_writable = any(mode & _OTHERS_WRITE for mode in open_to.values())
    todo = "Keep the store in a folder of its own: 0700, its files 0600 (chmod)."
    return Finding(
        check="file modes",
        result=FAIL if is_writable else WARN,
        detail=f"open to {'changes' if is_writable else 'the eyes'} of others: {shown}",
        todo=todo,
    )


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        # A file of the database that an engine has just taken away.
        return 0


def lock(path: Place) -> Finding:
    """Say which engine has the store, if any."""
    holder = lock_holder(path)
    if holder is None:
        return Finding(check="engine lock", detail="free; no engine has named itself")
    who = f"pid {holder.pid} on {holder.host}, started {_started(holder.started_at)}"
    if holder.is_running is None:
        return Finding(
            check="engine lock",
            result=WARN,
            detail=f"last taken by {who}; that machine cannot be asked from here",
            todo=f"Look on {holder.host} before starting an engine here.",
        )
    if holder.is_running:
        return Finding(check="engine lock", detail=f"an engine runs: {who}")
    return Finding(check="engine lock", detail=f"free; the last engine ({who}) has ended")


def _started(text: str) -> str:
    try:
        return exchange_time(datetime.fromisoformat(text))
    except ValueError:
        return "at an unknown time"


def python_version(version: tuple[int, ...]) -> Finding:
    """Check the interpreter."""
    text = ".".join(map(str, version))
    if version[:2] < _OLDEST_PYTHON:
        todo = f"Install Python {'.'.join(map(str, _OLDEST_PYTHON))} or newer."
        return Finding(check="python", result=FAIL, detail=text, todo=todo)
    return Finding(check="python", detail=f"{text}, {sys.executable}")


def packages(root: Path) -> Finding:
    """Check that every package is there in a version that fits."""
    try:
        wanted = _requirements(root)
    except (OSError, ValueError, KeyError, PackageNotFoundError):
        todo = f"Restore {root / 'pyproject.toml'}."
        detail = "what is needed is not known"
        return Finding(check="packages", result=WARN, detail=detail, todo=todo)
    if absent := missing(wanted):
        todo = "Run `python3 run.py doctor` again from a fresh shell: it installs them in .venv."
        detail = f"missing or of another version: {', '.join(absent)}"
        return Finding(check="packages", result=FAIL, detail=detail, todo=todo)
    return Finding(check="packages", detail=f"all {len(wanted)} present")


def _requirements(root: Path) -> list[str]:
    declared = root / "pyproject.toml"
    if declared.is_file():
        return list(tomllib.loads(declared.read_text())["project"]["dependencies"])
    return requires("oncefill") or []


def clock(of: SystemClock) -> Finding:
    """Check that the wall clock is set and goes as fast as the one that nobody sets."""
    wall, steady = of.now(), of.monotonic()
    of.sleep(_CLOCK_WATCH_S)
    drift_s = (of.now() - wall).total_seconds() - (of.monotonic() - steady)
    shown = f"{exchange_time(wall)} KST"
    if wall.year < _OLDEST_YEAR:
        todo = "Set the clock: orders are dated by it."
        return Finding(check="clock", result=FAIL, detail=f"it says {shown}", todo=todo)
    if abs(drift_s) > _CLOCK_DRIFT_S:
        todo = "Look at the time service; it moves the clock while orders are timed."
        detail = f"{shown}; moved by {drift_s * 1000:+,.1f} ms in {_CLOCK_WATCH_S} s"
        return Finding(check="clock", result=WARN, detail=detail, todo=todo)
    return Finding(check="clock", detail=f"{shown}, steady")


def _disk(folder: Path) -> Iterator[Finding]:
    yield space(folder, shutil.disk_usage(folder).free)
    yield sync_speed(folder)


def space(folder: Path, free: int) -> Finding:
    """Check how much room is left: an engine that cannot write stops."""
    detail = f"{free / 1024**3:,.1f} GB free at {folder}"
    if free >= _SPACE_WARN:
        return Finding(check="disk space", detail=detail)
    result = FAIL if free < _SPACE_FAIL else WARN
    return Finding(check="disk space", result=result, detail=detail, todo="Make room.")


def sync_speed(folder: Path, timed: Callable[[Path], float] | None = None) -> Finding:
    """Measure how long a write takes to be safe; every order waits for one."""
    try:
        took_ms = (timed or _time_sync)(folder)
    except OSError as error:
        detail = f"{folder} cannot be written: {error.strerror}"
        todo = "Reading works; to trade, mend the permissions or use another folder."
        return Finding(check="disk sync", result=FAIL, detail=detail, todo=todo)
    detail = f"{took_ms:,.3f} ms each (median of {_SYNCS})"
    if took_ms > _SYNC_SLOW_MS:
        todo = "Each order waits this long more than once; use a faster disk for the store."
        return Finding(check="disk sync", result=WARN, detail=detail, todo=todo)
    if took_ms < _SYNC_UNREAL_MS:
        todo = "Too fast to be a disk: a power cut may lose what was confirmed. Use a real disk."
        return Finding(check="disk sync", result=WARN, detail=detail, todo=todo)
    return Finding(check="disk sync", detail=detail)


def _time_sync(folder: Path) -> float:
    """Return the median milliseconds of a small write with fdatasync."""
    # macOS has no fdatasync.
    sync = getattr(os, "fdatasync", os.fsync)
    took_s: list[float] = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_SYNCS):
            began = time.perf_counter()
            file.write(b"\0" * _SYNC_BYTES)
            file.flush()
            sync(file.fileno())
            took_s.append(time.perf_counter() - began)
    return median(took_s) * 1000
