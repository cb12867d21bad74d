"""An engine in a process of its own, to be killed: ``python -m tests.torture.engine FOLDER PLAN``.

Tells the wishes of a file at least once: what was answered is noted in another file, and some of
it is told again. Words come out on standard output, one JSON object a line.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any

from actors.runtime.cell import Cell
from domain.errors import EngineStoppedError, OncefillError
from domain.signal import Cancel
from domain.terms import OrderStatus, SignalId
from infra.log import configure_log
from infra.store.dialect import SqliteDriver
from infra.store.reading import open_reader
from run import start_engine
from tests.torture.settings import CLOCK, SETTINGS, TIMING
from tests.torture.wire import HttpGateway

PACE_S = 0.04
AT_COMMIT_S = 0.3  # Time for the kill to arrive.
OPEN = tuple(status for status in OrderStatus if not status.is_terminal)
AGAIN = 0.1  # Of the wishes that were answered in an earlier life.


def say(**what: Any) -> None:
    """Print one line at once: after a kill, what was said was true."""
    os.write(1, (json.dumps(what) + "\n").encode())


def stop_at_commit(number: int, *, is_before: bool) -> None:
    """Dwell right before or right after the COMMIT of a transaction that writes."""
    left = [number]
    plain = SqliteDriver.transaction

    @contextmanager
    def transaction(self: SqliteDriver, *, is_writing: bool) -> Iterator[None]:
        left[0] -= is_writing
        is_now = is_writing and left[0] == 0
        with plain(self, is_writing=is_writing):
            yield
            if is_now and is_before:
                say(committing=True)
                CLOCK.sleep(AT_COMMIT_S)
        if is_now and not is_before:
            say(committing=True)
            CLOCK.sleep(AT_COMMIT_S)

    SqliteDriver.transaction = transaction


def spoil_messages(dice: Random, share: float) -> None:
    """Make handlers fail, before or after their work, or take long."""
    plain: Callable[[Cell, Any], None] = Cell._dispatch

    def dispatch(self: Cell, message: Any) -> None:
        kind = dice.choice(("before", "after", "slow")) if dice.random() < share else ""
        if kind == "before" and self.actor is not None:
            raise RuntimeError("spoilt before")
        if kind == "slow":
            CLOCK.sleep(dice.uniform(0.0, 0.05))
        plain(self, message)
        if kind == "after" and self.actor is not None:
            raise RuntimeError("spoilt after")

    Cell._dispatch = dispatch


def wish_of(line: dict[str, Any]) -> Any:
    """Return a cancel, or a signal as it was written."""
    if "cancel" in line:
        return Cancel(signal_id=SignalId(line["cancel"]), account_id=SETTINGS.account_id)
    return line


class Feed:
    """Wishes from a file, answers into another; what has no answer is told again."""

    def __init__(self, folder: Path, dice: Random) -> None:
        self._wishes = (folder / "wishes.jsonl").read_text().splitlines()
        self._path = folder / "answers.jsonl"
        known = self._path.read_text().splitlines() if self._path.exists() else []
        self._answered = {json.loads(line)["number"] for line in known if line.endswith("}")}
        self._dice = dice

    def tell_all(self, ask: Callable[[Any], Any]) -> None:
        """Tell each wish and note its answer, in order; several are under way at a time."""
        with self._path.open("a") as answers:
            waiting: list[tuple[int, Any]] = []
            for number, line in enumerate(self._wishes):
                if number in self._answered and self._dice.random() > AGAIN:
                    continue
                waiting.append((number, ask(wish_of(json.loads(line)))))
                CLOCK.sleep(PACE_S)
                if len(waiting) == 10:
                    self._note(answers, waiting.pop(0))
            for one in waiting:
                self._note(answers, one)

    def _note(self, answers: Any, one: tuple[int, Any]) -> None:
        number, future = one
        try:
            receipt = future.result(timeout=60)
            said = {"number": number, "client_order_id": receipt.client_order_id}
        except EngineStoppedError:
            return  # Its executor restarted: tell it again.
        except OncefillError as error:
            said = {"number": number, "refused": str(error)}
        answers.write(json.dumps(said) + "\n")
        answers.flush()


def main(folder: Path, plan: dict[str, Any]) -> None:
    """Run until told to stop, or killed."""
    configure_log(level="critical", console=False)
    dice = Random(plan["seed"])
    if plan.get("spoilt"):
        spoil_messages(dice, plan["spoilt"])
    if plan.get("at_commit"):
        stop_at_commit(plan["at_commit"], is_before=plan["is_before"])
    say(starting=True)
    port = int((folder / "port").read_text())
    engine = start_engine(
        SETTINGS,
        store=folder / "oncefill.db",
        gateway=lambda _clock, _scheduler: HttpGateway(port, timeout_s=TIMING.call_timeout_s),
    )
    say(ready=True)
    feeding = Thread(target=_feed, args=(folder, dice, engine), daemon=True)
    feeding.start()
    for line in sys.stdin:
        if line.strip() == "stop":
            break
    left = engine.stop()
    say(stopped=list(left))


def _feed(folder: Path, dice: Random, engine: Any) -> None:
    try:
        for _ in range(3):  # Whatever an executor's restart left unanswered.
            Feed(folder, dice).tell_all(engine.ask)
        say(fed=True)
        with open_reader(folder / "oncefill.db") as reader:
            while any(reader.orders(status=status, limit=1) for status in OPEN):
                CLOCK.sleep(0.1)
        say(idle=True)
    except OncefillError as error:
        say(failed=str(error))
        os._exit(70)


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
