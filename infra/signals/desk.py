"""What is said at the door: one JSON object a line, with one key that says what it is.

``{"signal": {...}}``, ``{"cancel": {...}}``, ``{"resolve": {...}}``, ``{"cancel_open": {...}}``,
``{"reconcile": {}}``, ``{"status": {}}``. The answer is ``{"receipt": ...}``,
``{"cancelled": ...}``, ``{"differs": ...}``, ``{"status": ...}``, or
``{"error": {"code", "field", "problem"}}``. Told again, a signal has the same answer.
"""

import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from threading import Event
from typing import Any, Final, NoReturn, Protocol

import structlog
from sqlalchemy import func, select

from domain.errors import (
    BusyError,
    EngineStoppedError,
    InvalidInputError,
    OncefillError,
    SignalConflictError,
    error_text,
)
from domain.halt import parse_reason, parse_scope
from domain.settings import Settings
from domain.signal import Cancel, Resolve, Signal, parse_cancel, parse_resolve
from domain.terms import StrategyId, Symbol
from infra.store.codec import utc_text
from infra.store.halts import covering, halts_in_force, open_orders
from infra.store.places import Place, note_of
from infra.store.reading import open_reader_at
from infra.store.tables import ORDERS

log = structlog.get_logger()

ANSWER_S: Final = 10.0

Answer = dict[str, object]
Waiting = Callable[[], Answer]
"""Waits for the engine's answer; the question has been put already."""

_CODES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (SignalConflictError, "conflict"),
    (InvalidInputError, "invalid"),
    (BusyError, "busy"),
    (EngineStoppedError, "stopped"),
    (TimeoutError, "timeout"),
)


class ServedEngine(Protocol):
    """What the door needs of an engine."""

    settings: Settings
    failed: Event
    error: BaseException | None

    def ask(self, wish: Signal | Cancel | Resolve | Mapping[str, object]) -> "Future[Any]":
        """Tell a signal, a cancel or a decision; the future is set when it is durable."""
        ...

    def reconcile(self) -> "Future[Any]":
        """Compare with the broker; the future has what differs, by symbol: ours and theirs."""
        ...

    @property
    def epoch(self) -> int:
        """The number of the present tree."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The engine at the desk, and what is known about its process."""

    engine: ServedEngine
    store: Place
    started_at: datetime
    ready: Event
    stopping: Event

    @property
    def state(self) -> str:
        """Return starting, ready, stopping or failed."""
        if self.engine.failed.is_set():
            return "failed"
        if self.stopping.is_set():
            return "stopping"
        return "ready" if self.ready.is_set() else "starting"


class Desk:
    """Reads what a client says and puts it to the engine; for any thread."""

    def __init__(self, served: Served) -> None:
        self._served = served
        # A new kind of wish is one entry here.
        self._kinds: dict[str, Callable[[dict[str, Any]], Waiting]] = {
            "signal": self._signal,
            "cancel": self._cancel,
            "resolve": self._resolve,
            "cancel_open": self._cancel_open,
            "reconcile": self._reconcile,
            "status": self._status,
        }

    def begin(self, line: bytes) -> Waiting:
        """Put a line to the engine; never waits and never raises."""
        put: list[Waiting] = []

        def put_it() -> Answer:
            kind, body = self._read(line)
            put.append(self._kinds[kind](body))
            return {}

        refused = _guarded(put_it)
        return (lambda: refused) if refused else (lambda: _guarded(put[0]))

    def _read(self, line: bytes) -> tuple[str, dict[str, Any]]:
        try:
            said = json.loads(line, parse_constant=_no_number)
        except (ValueError, RecursionError):
            problem = "it is not JSON; send one object a line, in UTF-8"
            raise InvalidInputError("line", problem) from None
        if not isinstance(said, dict) or len(said) != 1:
            raise InvalidInputError("line", f"give one object with one of {', '.join(self._kinds)}")
        ((kind, body),) = said.items()
        if kind not in self._kinds:
            near = get_close_matches(kind, self._kinds, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(self._kinds)}"
            raise InvalidInputError("line", f"unknown kind; {hint}")
        if not isinstance(body, dict):
            raise InvalidInputError(kind, "give an object with named fields")
        return kind, body

    def _signal(self, body: dict[str, Any]) -> Waiting:
        wish = self._own(body)
        future = self._served.engine.ask(wish)

        def answer() -> Answer:
            receipt = future.result(ANSWER_S)
            symbol, strategy = Symbol(wish["symbol"]), StrategyId(wish.get("strategy_id", ""))
            held = covering(note_of(self._served.store).read().values(), symbol, strategy)
            return _receipt(receipt) | {"halt": None if held is None else held.text}

        return answer

    def _cancel(self, body: dict[str, Any]) -> Waiting:
        future = self._served.engine.ask(parse_cancel(self._own(body)))
        return lambda: _receipt(future.result(ANSWER_S))

    def _resolve(self, body: dict[str, Any]) -> Waiting:
        future = self._served.engine.ask(parse_resolve(self._own(body)))
        return lambda: _receipt(future.result(ANSWER_S))

    def _cancel_open(self, body: dict[str, Any]) -> Waiting:
        """Cancel every order of a scope that has not ended, sent or not."""
        scope = parse_scope(body.get("scope"))
        reason = parse_reason(body.get("reason"))
        by, engine = body.get("requested_by", ""), self._served.engine

        def answer() -> Answer:
            orders = open_orders(self._served.store, scope)
            asked = [
                engine.ask(
                    Cancel(
                        signal_id=order.signal_id,
                        account_id=order.account_id,
                        reason=reason,
                        requested_by=by,
                    )
                )
                for order in orders
            ]
            for future in asked:
                future.result(ANSWER_S)
            return {"cancelled": [order.signal_id for order in orders]}

        return answer

    def _reconcile(self, _body: dict[str, Any]) -> Waiting:
        future = self._served.engine.reconcile()

        def answer() -> Answer:
            differs = future.result(ANSWER_S)
            return {
                "differs": [
                    {"symbol": symbol, "ours": str(ours), "theirs": str(theirs)}
                    for symbol, (ours, theirs) in sorted(differs.items())
                ]
            }

        return answer

    def _status(self, _body: dict[str, Any]) -> Waiting:
        served = self._served
        engine = served.engine

        def answer() -> Answer:
            error = engine.error
            status = {
                "state": served.state,
                "error": None if error is None else error_text(error),
                "account_id": engine.settings.account_id,
                "broker": engine.settings.broker,
                "pid": os.getpid(),
                "started_at": utc_text(served.started_at),
                "epoch": engine.epoch,
                "store": str(served.store),
                "open_orders": _open_by_status(served.store),
                "halts": [halt.text for halt in halts_in_force(served.store).values()],
                "as_of": utc_text(datetime.now(UTC)),
            }
            return {"status": status}

        return answer

    def _own(self, body: dict[str, Any]) -> dict[str, Any]:
        """One engine has one account: it may be left out."""
        return {"account_id": self._served.engine.settings.account_id, **body}


def refusal(error: Exception) -> Answer:
    """Return an error as the door says it."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), "failed")
    field = error.field if isinstance(error, InvalidInputError) else ""
    problem = str(error).removeprefix(f"{field}: ")
    if code == "timeout":
        problem = f"the engine gave no answer in {ANSWER_S:.0f} s; tell it again, it stays one"
    return {"error": {"code": code, "field": field, "problem": problem}}


def _guarded(waiting: Waiting) -> Answer:
    """Return what comes of it."""
    try:
        return waiting()
    except (OncefillError, TimeoutError) as error:
        return refusal(error)
    except Exception:  # Whatever a stranger's line leads to, the door must stand.
        log.exception("door.failed")
        return {"error": {"code": "failed", "field": "", "problem": "see the engine's log"}}


def _receipt(receipt: Any) -> Answer:
    return {
        "receipt": {
            "signal_id": receipt.signal_id,
            "client_order_id": receipt.client_order_id,
            "is_duplicate": receipt.is_duplicate,
        }
    }


def _open_by_status(store: Place) -> dict[str, int]:
    chosen = select(ORDERS.c.status, func.count()).where(ORDERS.c.is_open)
    with open_reader_at(store) as reader, reader.snapshot() as connection:
        rows = connection.execute(chosen.group_by(ORDERS.c.status))
        return {str(status): int(number) for status, number in rows}


def _no_number(_: str) -> NoReturn:
    msg = "NaN and Infinity are no numbers"
    raise ValueError(msg)
