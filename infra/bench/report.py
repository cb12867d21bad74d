"""The figures of one run, side by side: as a table for people and as JSON for programs."""

import os
import platform
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from statistics import median
from typing import Any, Final

from rich.table import Table

from infra.bench.bed import RAISED
from infra.bench.machine import MachineLimits
from infra.bench.recovery import Recovery
from infra.bench.scenarios import PAPER, Burst, Latency, Memory

REQUIRED_ORDERS_PER_S: Final = 1000.0
REQUIRED_P50_MS: Final = 3.0
REQUIRED_READY_S: Final = 3.0
REQUIRED_OPEN: Final = 10_000

CONDITIONS: Final = (
    f"limiter raised to {RAISED.requests:,} requests in {RAISED.window_s} s",
    "null broker in memory, in this process: every order fills with its acknowledgement",
    f"paper broker, its book on disk: {PAPER.rate_limit:,} requests/s, no latency, endless volume",
    "each engine on a fresh SQLite store: WAL, synchronous=FULL, hash chain, projections",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that one run measured; ``bursts`` holds a median for each broker and size."""

    is_quick: bool
    machine: MachineLimits
    latency: Latency
    bursts: tuple[Burst, ...]
    memory: Memory
    recovery: Recovery

    def as_json(self) -> dict[str, Any]:
        """Return the report with plain values; ratios compare with this run's own machine."""
        values = {
            "quick": self.is_quick,
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "cores": os.cpu_count(),
            "conditions": list(CONDITIONS),
            "machine": {**asdict(self.machine), "rows_per_s": self.machine.rows_per_s},
            "latency": {**asdict(self.latency), "ratio_to_sync": self._latency_ratio},
            "bursts": [self._burst(burst) for burst in self.bursts],
            "memory": asdict(self.memory),
            "recovery": asdict(self.recovery),
            "required": self.required(),
        }
        return {key: _rounded(value) for key, value in values.items()}

    def required(self) -> dict[str, bool]:
        """Return what the null broker must reach, and whether it did in this run."""
        best = max(burst.orders_per_s for burst in self.bursts if burst.broker == "null")
        required = {
            f"at least {REQUIRED_ORDERS_PER_S:,.0f} durable orders/s in a burst": (
                best >= REQUIRED_ORDERS_PER_S
            ),
            f"p50 at most {REQUIRED_P50_MS:g} ms": self.latency.p50_ms <= REQUIRED_P50_MS,
        }
        if self.recovery.open_orders >= REQUIRED_OPEN:
            ready = f"ready within {REQUIRED_READY_S:g} s with {REQUIRED_OPEN:,} open orders"
            required[ready] = self.recovery.seconds <= REQUIRED_READY_S
        return required

    def as_table(self) -> Table:
        """Return the report for people."""
        table = Table("", "figure", "compared", title="Oncefill bench", title_justify="left")
        for row in (*self._machine_rows(), *self._engine_rows()):
            table.add_row(*row)
        return table

    @property
    def _latency_ratio(self) -> float:
        return self.latency.p50_ms / self.machine.sync_p50_ms

    def _rows_ratio(self, burst: Burst) -> float:
        return burst.rows_per_s / self.machine.rows_per_s

    def _compared(self, burst: Burst) -> str:
        rows = f"{burst.rows_per_s:,.0f} journal rows/s = {self._rows_ratio(burst):.2f} x raw"
        return f"{rows}, {burst.cpu_s / burst.orders * 1000:.2f} ms CPU an order"

    def _burst(self, burst: Burst) -> Mapping[str, Any]:
        return {
            **asdict(burst),
            "orders_per_s": burst.orders_per_s,
            "rows_per_s": burst.rows_per_s,
            "cpu_ms_per_order": burst.cpu_s / burst.orders * 1000,
            "ratio_to_raw_rows": self._rows_ratio(burst),
        }

    def _machine_rows(self) -> list[tuple[str, str, str]]:
        machine = self.machine
        spread = f"p50 {machine.sync_p50_ms:.2f} ms, p99 {machine.sync_p99_ms:.2f} ms"
        return [
            ("machine: fdatasync", f"{machine.syncs_per_s:,.0f}/s", spread),
            ("machine: SQLite commits of 1 row", f"{machine.commits_per_s:,.0f}/s", ""),
            (
                "machine: SQLite commits of 100 rows",
                f"{machine.batches_per_s:,.0f}/s",
                f"{machine.rows_per_s:,.0f} rows/s",
            ),
        ]

    def _engine_rows(self) -> list[tuple[str, str, str]]:
        latency, memory, recovery = self.latency, self.memory, self.recovery
        grown = memory.bytes_per_order
        return [
            (
                f"tell to broker call, one at a time, {latency.signals} signals",
                f"p50 {latency.p50_ms:.2f} ms, p99 {latency.p99_ms:.2f} ms",
                f"p50 = {self._latency_ratio:.1f} x fdatasync p50",
            ),
            *(
                (
                    f"burst of {burst.orders:,} on the {burst.broker} broker",
                    f"{burst.orders_per_s:,.0f} durable orders/s",
                    self._compared(burst),
                )
                for burst in self.bursts
            ),
            (
                f"memory of a resting order, {memory.orders:,} of them",
                "not known here" if grown is None else f"{grown / 1024:.1f} KiB",
                "",
            ),
            (
                f"start with {recovery.open_orders:,} open, {recovery.closed_orders:,} ended",
                f"{recovery.seconds:.2f} s",
                "until a signal is durable",
            ),
        ]


def median_bursts(bursts: list[Burst]) -> tuple[Burst, ...]:
    """Return the repeat of median speed for each broker and size, in the order measured."""
    groups = groupby(bursts, key=lambda burst: (burst.broker, burst.orders))
    return tuple(_middle(list(group)) for _, group in groups)


def _middle(repeats: list[Burst]) -> Burst:
    middle = median(burst.seconds for burst in repeats)
    return min(repeats, key=lambda burst: abs(burst.seconds - middle))


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return float(f"{value:.4g}")
        case dict():
            return {key: _rounded(inner) for key, inner in value.items()}
        case list():
            return [_rounded(inner) for inner in value]
        case _:
            return value
