"""The broker of the torture: the paper broker's book behind HTTP, with a ledger of its own.

Runs as a process: ``python -m tests.torture.exchange FOLDER SEED``. It says its port, and ends with
its standard input. It keeps to the bounds that the engine was told: a request that comes
later than L after its caller gave up is never booked.
"""

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from threading import Event, Lock, Thread
from typing import Any

import msgspec

from domain.errors import RefusedError
from infra.brokers.paper import PaperSettings
from infra.brokers.paper.default import seeded_paper
from infra.clock import SystemClock, ThreadScheduler
from infra.log import configure_log
from tests.torture.settings import ACCOUNT, CLOCK, SETTINGS, TIMING
from tests.torture.wire import BROKEN, LIMITED, OK, REFUSED, SENT, SHAPES, Finding, Refusal

# Of a hundred placements, so many go wrong in each way.
FAULTS = {
    "lost_before": 4,
    "lost_after": 8,
    "broken_before": 3,
    "broken_after": 4,
    "garbage": 4,
    "late": 3,
    "limited": 3,
}
LATEST_S = TIMING.call_timeout_s + TIMING.latest_accept_s
HOLD_S = 10.0  # Longer than any test waits before it kills.

Answer = tuple[int, bytes] | None  # None: the connection is closed without a word.


class Ledger:
    """What arrived and what was booked, in a file that only grows."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(self, what: str, **facts: Any) -> None:
        line = json.dumps({"what": what, "at": time.time(), **facts})
        os.write(self._file, (line + "\n").encode())


class Hold:
    """Keeps the next placement at a chosen point until it is told to go on."""

    def __init__(self) -> None:
        self.armed = ""
        self.is_holding = False
        self._release = Event()

    def arm(self, where: str) -> None:
        self._release.clear()
        self.armed, self.is_holding = where, False

    def release(self) -> None:
        self.armed = ""
        self._release.set()

    def at(self, where: str) -> None:
        if self.armed == where:
            self.armed, self.is_holding = "", True
            self._release.wait(HOLD_S)
            self.is_holding = False


class Exchange:
    """Answers requests, and spoils some of the placements."""

    def __init__(self, folder: Path, seed: int) -> None:
        clock = SystemClock()
        self._gateway, _ = seeded_paper(
            folder / "paper.db",
            SETTINGS,
            clock=clock,
            scheduler=ThreadScheduler(),
            paper=PaperSettings(latency_s=(0.0, 0.0), rate_limit=1_000_000, power_safe=False),
        )
        self._ledger = Ledger(folder / "ledger.jsonl")
        self._random, self._lock = Random(seed), Lock()
        self.hold = Hold()
        self.is_faulty = True

    def control(self, wish: dict[str, Any]) -> dict[str, Any]:
        if "hold" in wish:
            self.hold.arm(wish["hold"])
        if wish.get("release"):
            self.hold.release()
        self.is_faulty = wish.get("faults", self.is_faulty)
        return {"holding": self.hold.is_holding}

    def serve(self, what: str, body: bytes, sent_s: float) -> Answer:
        wish = msgspec.json.decode(body, type=SHAPES[what][0])
        if what != "place":
            self._ledger.note("asked", request=what, sent_s=sent_s)
            return _answered(lambda: self._asked(what, wish))
        return self._place(wish, sent_s)

    def _place(self, order: Any, sent_s: float) -> Answer:
        name = order.client_order_id
        self._ledger.note("received", client_order_id=name, sent_s=sent_s)
        fault = self._fault()
        if fault in ("lost_before", "broken_before", "limited"):
            return {"lost_before": None, "broken_before": (BROKEN, b""), "limited": (LIMITED, b"")}[
                fault
            ]
        self.hold.at("before")
        if fault == "late":
            CLOCK.sleep(TIMING.call_timeout_s)
        if time.monotonic() - sent_s > LATEST_S:
            self._ledger.note("too late", client_order_id=name)
            return None
        answer = _answered(lambda: self._gateway.broker.place(ACCOUNT, order))
        code = msgspec.json.decode(answer[1]).get("code", "")
        self._ledger.note("answered", client_order_id=name, status=answer[0], code=code)
        self.hold.at("after")
        if fault == "lost_after":
            return None
        return {"broken_after": (BROKEN, b"<html>"), "garbage": (OK, b'{"broker_ord')}.get(
            fault, answer
        )

    def _asked(self, what: str, wish: Any) -> Any:
        gateway = self._gateway
        match what:
            case "cancel":
                return gateway.broker.cancel(ACCOUNT, wish.ref, wish.request_id)
            case "find":
                return Finding(gateway.broker.find(ACCOUNT, wish))
            case "orders":
                return gateway.list_orders(ACCOUNT, wish)
            case "fills":
                return gateway.list_fills(ACCOUNT, wish)
            case "positions":
                return gateway.list_positions(ACCOUNT)
            case _:
                return gateway.get_balance(ACCOUNT)

    def _fault(self) -> str:
        with self._lock:
            draw = self._random.randrange(100)
        for kind, share in FAULTS.items() if self.is_faulty else ():
            draw -= share
            if draw < 0:
                return kind
        return ""


def _answered(work: Any) -> tuple[int, bytes]:
    try:
        return OK, msgspec.json.encode(work())
    except RefusedError as refusal:
        return REFUSED, msgspec.json.encode(Refusal(str(refusal), refusal.code))


def handler_for(exchange: Exchange) -> type[BaseHTTPRequestHandler]:
    """Return the class that the server makes for each connection."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            what = self.path.strip("/")
            if what == "control":
                answer: Answer = (OK, json.dumps(exchange.control(json.loads(body))).encode())
            else:
                answer = exchange.serve(what, body, float(self.headers[SENT]))
            if answer is not None:
                self.send_response(answer[0])
                self.send_header("Content-Length", str(len(answer[1])))
                self.end_headers()
                self.wfile.write(answer[1])

        def log_message(self, *_words: Any) -> None:
            pass

    return Handler


class Server(ThreadingHTTPServer):
    """One thread for each connection, none of which keeps the process alive."""

    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_request: Any) -> None:
        """Somebody was killed while we answered: that is what this is for."""


def main(folder: Path, seed: int) -> None:
    """Serve until standard input ends."""
    configure_log(level="critical", console=False)
    server = Server(("127.0.0.1", 0), handler_for(Exchange(folder, seed)))
    os.write(1, (json.dumps({"port": server.server_address[1]}) + "\n").encode())
    Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
