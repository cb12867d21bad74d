"""``run.py bench``: what the engine reaches on this machine, beside the machine's own limits."""

import json
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from domain.errors import OncefillError
from infra.bench.bed import Launch
from infra.bench.machine import MachineLimits, measure_machine, median_limits
from infra.bench.recovery import measure_recovery
from infra.bench.report import Report, median_bursts
from infra.bench.scenarios import (
    Burst,
    measure_latency,
    measure_memory,
    measure_null_burst,
    measure_paper_burst,
)
from infra.log import configure_log

BASE = Path(".oncefill")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured."""

    is_quick: bool
    machine_s: float
    signals: int
    bursts: tuple[int, ...]  # Orders of each burst on the null broker, repeats side by side.
    paper_orders: int
    resting: int
    open_orders: int  # When the engine starts, beside ten times as many closed ones.


def run(args: Namespace, launch: Launch) -> int:
    """Measure, and print the report to stdout; progress goes to stderr.

    Raises:
        OncefillError: The engine did not do what was measured; no figure counts then.
    """
    progress = Console(stderr=True)
    # The engine's own notes would stand between the lines of progress.
    configure_log(level="warning")
    with _room() as folder:
        report = measure(launch, folder, plan_for(args.orders, is_quick=args.quick), progress.print)
    if args.json:
        print(json.dumps(report.as_json(), indent=2))
        return 0
    out = Console()
    out.print(report.as_table())
    for what, is_met in report.required().items():
        out.print(f"required on the null broker: {what}: {'met' if is_met else 'NOT MET'}")
    for condition in report.as_json()["conditions"]:
        out.print(f"  {condition}", highlight=False)
    return 0


def plan_for(orders: int, *, is_quick: bool) -> Plan:
    """Return what to measure when the largest burst is to have ``orders``."""
    if is_quick:
        few = min(orders, 1000)
        return Plan(
            is_quick=True,
            machine_s=0.3,
            signals=min(few, 100),
            bursts=(few,),
            paper_orders=min(few, 30),
            resting=few,
            open_orders=few,
        )
    small = (min(orders, 1000),) * 3
    return Plan(
        is_quick=False,
        machine_s=1.5,
        signals=min(orders, 1000),
        bursts=(*small, orders) if orders > small[0] else small,
        paper_orders=min(orders, 300),
        resting=min(orders, 10_000),
        open_orders=min(orders, 10_000),
    )


def measure(launch: Launch, folder: Path, plan: Plan, say: Callable[[str], None]) -> Report:
    """Measure everything in the plan, the machine again before each part."""
    machine: list[MachineLimits] = []
    bursts: list[Burst] = []

    def begin(what: str) -> None:
        say(f"bench: {what}")
        machine.append(measure_machine(folder, seconds=plan.machine_s))

    # First, while the heap is young: later it would be served from what others left.
    begin(f"memory of {plan.resting:,} resting orders")
    memory = measure_memory(launch, folder, plan.resting)
    begin(f"latency of {plan.signals:,} signals, one at a time")
    latency = measure_latency(launch, folder, plan.signals)
    for orders in plan.bursts:
        begin(f"burst of {orders:,} orders on the null broker")
        bursts.append(measure_null_burst(launch, folder, orders))
        say(f"bench: {bursts[-1].orders_per_s:,.0f} orders/s")
    begin(f"burst of {plan.paper_orders:,} orders on the paper broker")
    bursts.append(measure_paper_burst(launch, folder, plan.paper_orders))
    begin(f"a start with {plan.open_orders:,} open orders")
    recovery = measure_recovery(launch, folder, plan.open_orders, 10 * plan.open_orders)
    return Report(
        is_quick=plan.is_quick,
        machine=median_limits(machine),
        latency=latency,
        bursts=median_bursts(bursts),
        memory=memory,
        recovery=recovery,
    )


@contextmanager
def _room() -> Iterator[Path]:
    """Make a folder for the run, on the disk where stores lie, and remove it afterwards."""
    try:
        BASE.mkdir(mode=0o700, exist_ok=True)
        with TemporaryDirectory(prefix="bench-", dir=BASE) as folder:
            yield Path(folder)
    except OSError as error:
        msg = f"The bench cannot write in {BASE.absolute()}: {error.strerror}."
        raise OncefillError(msg) from error
