"""An engine in a process of its own, for tests that kill it: signals in by a file, words out."""

import json
import os
import resource
import sys
from pathlib import Path
from threading import Thread

from domain.errors import EngineStoppedError
from domain.session import ALWAYS_OPEN
from domain.settings import BrokerTiming, Settings
from infra.brokers.paper import FaultKind, FaultPlan, PaperSettings
from infra.brokers.paper.default import seeded_paper
from infra.log import configure_log
from infra.store import dialect
from run import start_engine

# Short enough to see lost answers resolved within a test; the proportions are the product's.
TIMING = BrokerTiming(
    call_timeout_s=0.3, latest_accept_s=0.1, longest_hidden_s=0.1, send_window_s=1.0
)
SETTINGS = Settings(session=ALWAYS_OPEN, timing=TIMING)


def main(folder: Path, plan: dict) -> None:
    """Tell every signal of the file, say what is acknowledged and what happens, and wait."""
    configure_log(level="critical", console=False)
    make_small(plan)
    faults = FaultPlan.script(
        {("place", int(number)): kind for number, kind in plan.get("script", {}).items()},
        seed=plan.get("seed", 0),
        rates={FaultKind(kind): rate for kind, rate in plan.get("rates", {}).items()},
    )

    def gateway(clock, scheduler):
        return seeded_paper(
            folder / "paper.db",
            SETTINGS,
            clock=clock,
            scheduler=scheduler,
            paper=PaperSettings(latency_s=(0.002, 0.01), timeout_s=0.3, power_safe=False),
            faults=faults,
        )[0]

    engine = start_engine(SETTINGS, store=folder / "oncefill.db", gateway=gateway)
    engine.subscribe(
        lambda record: say(
            {
                "seq": record.seq,
                "topics": record.topics,
                "used_attempt": getattr(record.event, "is_counted", False),
            }
        )
    )
    Thread(target=report_failure, args=(engine,), daemon=True).start()
    for line in (folder / "signals.jsonl").read_text().splitlines():
        try:
            receipt = engine.ask(json.loads(line)).result(timeout=30)
        except EngineStoppedError:
            break
        say({"acknowledged": receipt.signal_id})
    for line in sys.stdin:
        if line.strip() == "stop":
            break
    engine.stop()
    say({"stopped": True})


def make_small(plan: dict) -> None:
    """Leave the store as little room as the plan says."""
    if "max_pages" in plan:
        dialect._WRITER_PRAGMAS += (f"max_page_count={plan['max_pages']}",)
    if "file_limit" in plan:
        resource.setrlimit(resource.RLIMIT_FSIZE, (plan["file_limit"],) * 2)


def report_failure(engine) -> None:
    """Say it when the engine gives up."""
    engine.failed.wait()
    say({"failed": str(engine.error)})


def say(what: dict) -> None:
    """Print one line at once: after a kill, what was said was true."""
    # Two threads speak; print() would let their lines run into each other.
    os.write(sys.stdout.fileno(), (json.dumps(what) + "\n").encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
