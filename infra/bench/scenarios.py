"""What is measured: latency, bursts and memory, each on a fresh engine and a fresh store."""

import gc
import os
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Final

from domain.ports import BrokerGateway, Clock, Scheduler
from infra.bench.bed import LIMIT_PX, SETTINGS, SYMBOLS, GatewayMaker, Launch, open_bed
from infra.bench.gateways import RestingGateway, WatchedGateway
from infra.bench.machine import percentile
from infra.brokers.null import NullGateway
from infra.brokers.paper import PaperSettings, Quote, open_paper

WARM_UP: Final = 50

# Long enough for the commits that follow a placement, so that signals do not meet.
_BETWEEN_S: Final = 0.01
_LONGEST_ENTRY_S: Final = 30.0
PAPER: Final = PaperSettings(latency_s=(0.0, 0.0), rate_limit=1_000_000)
_CASH: Final = Decimal(10**15)
_VOLUME: Final = Decimal(10**12)  # Every order is filled at once, by the first quote.
_STATM: Final = Path("/proc/self/statm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """From ``engine.tell(signal)`` to the entry of ``gateway.place_order``, one at a time."""

    signals: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """Signals told at once, until all are filled, applied to the positions and journaled.

    Attributes:
        rows: What the journal grew by.
        cpu_s: Of the whole process.
    """

    broker: str
    orders: int
    seconds: float
    rows: int
    cpu_s: float

    @property
    def orders_per_s(self) -> float:
        """Durable orders per second."""
        return self.orders / self.seconds

    @property
    def rows_per_s(self) -> float:
        """Journal rows per second."""
        return self.rows / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What each order that rests at the broker adds; None where the system does not say."""

    orders: int
    bytes_per_order: float | None


def measure_latency(launch: Launch, folder: Path, signals: int) -> Latency:
    """Tell one signal at a time to an idle engine on the null broker."""
    gateways: list[WatchedGateway] = []

    def make(clock: Clock, scheduler: Scheduler) -> BrokerGateway:
        del scheduler
        gateways.append(WatchedGateway(clock))
        return gateways[0]

    times_s: list[float] = []
    with open_bed(launch, make, folder) as bed:
        entries = gateways[0].entries
        for _ in range(WARM_UP + signals):
            tell = bed.prepare(1)
            start_s = perf_counter()
            tell()
            times_s.append(entries.get(timeout=_LONGEST_ENTRY_S) - start_s)
            bed.pause(_BETWEEN_S)
        bed.wait_until_filled()
        bed.check()
    measured = times_s[WARM_UP:]
    return Latency(
        signals=signals,
        p50_ms=percentile(measured, 0.5) * 1000,
        p99_ms=percentile(measured, 0.99) * 1000,
    )


def measure_null_burst(launch: Launch, folder: Path, orders: int) -> Burst:
    """Tell ``orders`` signals at once to an engine on the null broker."""
    return _burst(launch, folder, orders, broker="null", make=lambda clock, _: NullGateway(clock))


def measure_paper_burst(launch: Launch, folder: Path, orders: int) -> Burst:
    """Tell ``orders`` signals at once to an engine on the paper broker, its book on disk."""
    book = folder / "paper.db"
    burst = _burst(launch, folder, orders, broker="paper", make=partial(_paper, book))
    for file in folder.glob(book.name + "*"):
        file.unlink()
    return burst


def measure_memory(launch: Launch, folder: Path, orders: int) -> Memory:
    """Let ``orders`` limit orders rest, and see what they added to the process's memory."""
    with open_bed(launch, lambda clock, _: RestingGateway(clock), folder) as bed:
        # The first orders fill caches of the libraries; they rest as well.
        bed.tell(max(1, min(500, orders // 10)), is_resting=True)
        bed.wait_until_resting()
        before = _resident_bytes()
        bed.tell(orders, is_resting=True)
        bed.wait_until_resting()
        # The tracker's next poll shows it every order once.
        bed.pause(1.2 * SETTINGS.poll_active_s)
        after = _resident_bytes()
        bed.check(is_filled=False)
    grown = None if before is None or after is None else (after - before) / orders
    return Memory(orders=orders, bytes_per_order=grown)


def _burst(launch: Launch, folder: Path, orders: int, *, broker: str, make: GatewayMaker) -> Burst:
    with open_bed(launch, make, folder) as bed:
        bed.tell(WARM_UP)
        bed.wait_until_filled()
        tell, rows = bed.prepare(orders), bed.counts().rows
        gc.collect()
        cpu_s, start_s = process_time(), perf_counter()
        tell()
        bed.wait_until_filled()
        seconds, cpu_s = perf_counter() - start_s, process_time() - cpu_s
        rows = bed.counts().rows - rows
        bed.check()
    return Burst(broker=broker, orders=orders, seconds=seconds, rows=rows, cpu_s=cpu_s)


def _paper(book: Path, clock: Clock, scheduler: Scheduler) -> BrokerGateway:
    gateway = open_paper(
        book,
        clock=clock,
        scheduler=scheduler,
        instruments=SETTINGS.instruments,
        session=SETTINGS.session,
        fees=SETTINGS.fees,
        cash=_CASH,
        settings=PAPER,
    )
    for symbol in SYMBOLS:
        gateway.market.push(
            Quote(
                symbol=symbol,
                last_px=LIMIT_PX,
                base_px=LIMIT_PX,
                volume=_VOLUME,
                at=clock.now(),
            )
        )
    return gateway


def _resident_bytes() -> int | None:
    gc.collect()
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except OSError:
        # Not Linux.
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
