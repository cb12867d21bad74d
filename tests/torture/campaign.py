"""Kill the engine, again and again, at random and at chosen instants; then compare the books."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from queue import Empty, Queue
from random import Random
from threading import Thread
from typing import Any, Self

from tests.torture.settings import CLOCK

ROOT = Path(__file__).parents[2]
WISHES_A_KILL = 8
SPOILT = 0.01
PATIENCE_S = 120.0

# A limit that rests for a while, in the middle of the day's price limits.
LIMIT_PX = {
    "005930": ("60000", "70000", "80000"),
    "000660": ("160000", "180000", "200000"),
    "005380": ("210000", "240000", "270000"),
    "035420": ("170000", "190000", "210000"),
    "069500": ("31000", "35000", "39000"),
}


class Process:
    """A program of this folder, and what it says; it is killed when the test leaves it."""

    def __init__(self, module: str, *arguments: str) -> None:
        self.words: list[dict[str, Any]] = []
        self._said: Queue[dict[str, Any] | None] = Queue()
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"tests.torture.{module}", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def until(self, word: str, within_s: float = PATIENCE_S) -> dict[str, Any] | None:
        """Return what holds ``word`` when it is said, or None when that does not come."""
        end_s = time.monotonic() + within_s
        while (left_s := end_s - time.monotonic()) > 0:
            with suppress(Empty):
                said = self._said.get(timeout=left_s)
                if said is None:
                    return None  # It has ended.
                self.words.append(said)
                if word in said:
                    return said
        return None

    def tell(self, line: str) -> None:
        with suppress(BrokenPipeError):
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()

    def kill(self) -> None:
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        self._reader.join(10)
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(BrokenPipeError):
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()

    def _read(self) -> None:
        for line in self.process.stdout:
            if line.endswith("\n"):
                self._said.put(json.loads(line))
        self._said.put(None)


@dataclass
class Campaign:
    """One run: so many kills, from one seed, in one folder."""

    folder: Path
    kills: int
    seed: int
    progress: Callable[[int], None] = lambda done: None
    done: Counter[str] = field(default_factory=Counter)

    def run(self) -> None:
        """Kill so many times, then let everything come to its end.

        Raises:
            AssertionError: The engine did not come to its end by itself.
        """
        self._dice = Random(self.seed)
        write_wishes(self.folder, self.kills * WISHES_A_KILL, self._dice)
        with self._exchange():
            for number in range(self.kills):
                self._one_life(number)
                self.progress(number + 1)
            self._control(faults=False)
            self._last_life()

    @contextmanager
    def _exchange(self) -> Iterator[None]:
        with Process("exchange", str(self.folder), str(self.seed)) as exchange:
            said = exchange.until("port")
            assert said is not None, "the exchange did not start"
            self._port = said["port"]
            (self.folder / "port").write_text(str(self._port))
            yield

    def _one_life(self, number: int) -> None:
        plan: dict[str, Any] = {"seed": self.seed * 1000 + number, "spoilt": SPOILT}
        where = self._dice.choice(
            ("random", "random", "recovery", "before booking", "after booking", "commit", "commit")
        )
        if where == "commit":
            plan["at_commit"] = self._dice.randint(1, 60)
            plan["is_before"] = self._dice.random() < 0.5
        with Process("engine", str(self.folder), json.dumps(plan)) as engine:
            assert engine.until("starting"), "the engine did not start"
            is_there = self._wait_for(where, engine)
            engine.kill()
        self._control(release=True)
        self.done[where if is_there else f"{where}, not reached"] += 1

    def _wait_for(self, where: str, engine: Process) -> bool:
        """Come back at the instant of the kill; False when it did not come, which is no error."""
        if where == "recovery":
            CLOCK.sleep(self._dice.uniform(0.0, 0.2))
            return True
        if where == "commit":
            return engine.until("committing", 4.0) is not None
        if engine.until("ready", 30.0) is None:
            return False
        if where == "random":
            CLOCK.sleep(self._dice.uniform(0.5, 2.5))
            return True
        self._control(hold=where.partition(" ")[0])
        end_s = time.monotonic() + 3.0
        while time.monotonic() < end_s:
            if self._control()["holding"]:
                return True
            CLOCK.sleep(0.005)
        return False

    def _last_life(self) -> None:
        for _ in range(3):  # A process that fails is started again, as a service manager does.
            with Process("engine", str(self.folder), json.dumps({"seed": self.seed})) as engine:
                if engine.until("idle"):
                    engine.tell("stop")
                    stopped = engine.until("stopped", 20.0)
                    assert stopped == {"stopped": []}, f"it did not stop cleanly: {stopped}"
                    assert engine.process.wait(10) == 0, "it stopped with an error"
                    return
        said = engine.words[-3:]
        msg = f"orders are open and nothing happens any more; it said {said}"
        raise AssertionError(msg)

    def _control(self, **wish: Any) -> dict[str, Any]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=10)
        connection.request("POST", "/control", json.dumps(wish))
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        connection.close()
        return answer


def write_wishes(folder: Path, count: int, dice: Random) -> None:
    """Write signals, some twice or invalid, cancels among them, and cancels for what rests."""
    lines: list[dict[str, Any]] = []
    names: list[str] = []
    for number in range(count):
        draw = dice.random()
        if draw < 0.1 and names:
            lines.append(next(line for line in lines if line.get("signal_id") == names[-1]))
        elif draw < 0.25 and names:
            lines.append(a_cancel(dice.choice(names[-10:])))
        elif draw < 0.3:
            lines.append(a_signal(f"bad-{number}", dice) | spoilt(dice))
        else:
            names.append(f"s-{number}")
            lines.append(a_signal(names[-1], dice))
    # What rests has to end some day.
    rests = [line["signal_id"] for line in lines if "limit_px" in line]
    lines += [a_cancel(name) for name in dict.fromkeys(rests)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "wishes.jsonl").write_text(text)


def a_signal(name: str, dice: Random) -> dict[str, Any]:
    """Return a valid signal that may be sent for a long time."""
    signal_: dict[str, Any] = {
        "signal_id": name,
        "account_id": "paper",
        "symbol": dice.choice(sorted(LIMIT_PX)),
        "side": dice.choice(("BUY", "SELL")),
        "order_qty": str(dice.randint(1, 5)),
        "deadline": "2099-01-01T00:00:00+00:00",
    }
    if dice.random() < 0.4:
        signal_ |= {"order_type": "LIMIT", "limit_px": dice.choice(LIMIT_PX[signal_["symbol"]])}
    if dice.random() < 0.2:
        signal_["time_in_force"] = "IOC"
    return signal_


def spoilt(dice: Random) -> dict[str, Any]:
    """Return a field that makes a signal invalid."""
    return dice.choice(
        ({"order_qty": "0"}, {"order_qty": "1.5"}, {"side": "HOLD"}, {"account_id": "other"})
    )


def a_cancel(name: str) -> dict[str, Any]:
    """Return the wish to cancel the order of a signal."""
    return {"cancel": name}
