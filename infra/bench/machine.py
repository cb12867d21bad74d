"""What the machine itself can do: the limits that an engine's figures are compared with."""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

ROWS_A_BATCH: Final = 100

_BLOCK: Final = b"\0" * 4096
# About as long as a row of the journal.
_ROW: Final = "x" * 500
# macOS has no fdatasync.
_sync = getattr(os, "fdatasync", os.fsync)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineLimits:
    """The disk's and SQLite's limits; SQLite in WAL mode with synchronous=FULL, as the store is.

    Attributes:
        syncs_per_s: fdatasync calls, each after 4 KiB were written over.
        commits_per_s: Commits of one row of 500 bytes into a table without further index.
        batches_per_s: Commits of 100 such rows.
    """

    syncs_per_s: float
    sync_p50_ms: float
    sync_p99_ms: float
    commits_per_s: float
    batches_per_s: float

    @property
    def rows_per_s(self) -> float:
        """The most rows that plain SQL wrote durably."""
        return self.batches_per_s * ROWS_A_BATCH


def measure_machine(folder: Path, *, seconds: float) -> MachineLimits:
    """Measure for about ``seconds`` in all, in files of its own in ``folder``."""
    each_s = seconds / 3
    syncs = _sync_times(folder / "sync.bin", each_s)
    return MachineLimits(
        syncs_per_s=len(syncs) / sum(syncs),
        sync_p50_ms=percentile(syncs, 0.5) * 1000,
        sync_p99_ms=percentile(syncs, 0.99) * 1000,
        commits_per_s=_commit_rate(folder / "one.db", 1, each_s),
        batches_per_s=_commit_rate(folder / "batch.db", ROWS_A_BATCH, each_s),
    )


def median_limits(samples: Sequence[MachineLimits]) -> MachineLimits:
    """Return the median of each figure."""

    def middle(name: str) -> float:
        values: list[float] = [getattr(sample, name) for sample in samples]
        return median(values)

    return MachineLimits(
        syncs_per_s=middle("syncs_per_s"),
        sync_p50_ms=middle("sync_p50_ms"),
        sync_p99_ms=middle("sync_p99_ms"),
        commits_per_s=middle("commits_per_s"),
        batches_per_s=middle("batches_per_s"),
    )


def percentile(values: Sequence[float], part: float) -> float:
    """Return the smallest value that at least ``part`` of ``values`` do not exceed."""
    ranked = sorted(values)
    return ranked[max(0, -int(-part * len(ranked) // 1) - 1)]


def _sync_times(path: Path, seconds: float) -> list[float]:
    """Return how long each fdatasync took, in seconds."""
    times: list[float] = []
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        until_s = perf_counter() + seconds
        while perf_counter() < until_s:
            os.pwrite(descriptor, _BLOCK, 0)
            start_s = perf_counter()
            _sync(descriptor)
            times.append(perf_counter() - start_s)
    finally:
        os.close(descriptor)
        path.unlink()
    # The first one also makes the file's size durable.
    return times[1:] or times


def _commit_rate(path: Path, rows: int, seconds: float) -> float:
    """Return commits of ``rows`` rows per second."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE raw (seq INTEGER PRIMARY KEY, data TEXT NOT NULL)")
        batch = [(_ROW,)] * rows
        commits, start_s = 0, perf_counter()
        while (now_s := perf_counter()) < start_s + seconds or not commits:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO raw (data) VALUES (?)", batch)
            connection.execute("COMMIT")
            commits += 1
        rate = commits / (now_s - start_s)
    for file in path.parent.glob(path.name + "*"):
        file.unlink()
    return rate
