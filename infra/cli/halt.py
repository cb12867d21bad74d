"""``run.py halt|resume|halts``: work on the store itself, so also where no engine answers."""

import sys
from argparse import Namespace
from collections.abc import Iterable
from typing import Any, Final

from domain.errors import InvalidInputError
from domain.halt import Halted, HaltScope, Resumed, parse_reason, parse_scope
from infra.cli.door import FAILED, HALTED, NO_ENGINE
from infra.cli.order_door import user
from infra.cli.render import counted, print_json, say
from infra.cli.source import store_in
from infra.clock import SystemClock
from infra.signals.client import NoAnswerError, ask_door
from infra.store.halts import HaltReport, halts_in_force, lift_halt, require_store, set_halt

_HUNG_S: Final = 3.0
_CANCEL_S: Final = 60.0
_LONGEST_NAME: Final = 64
_LONGEST_REASON: Final = 200


def run(args: Namespace) -> int:
    """Halt, resume, or show the halts."""
    match args.command:
        case "halt":
            return _halt(args)
        case "resume":
            return _resume(args)
        case _:
            return _show_halts(args)


def _halt(args: Namespace) -> int:
    """0: halted and quiet. 1: halted, but a call is still out. 3: halted, nobody to cancel."""
    clock = SystemClock()
    scope, reason, by = parse_scope(args.scope), parse_reason(args.reason), _by(args)
    halted = Halted(scope=scope, reason=reason, requested_by=by, at=clock.now())
    report = set_halt(store_in(args.store), halted, clock=clock, wait_s=args.wait)
    cancelled, problem = _cancel_open(args, halted) if args.cancel else (None, None)
    if args.json:
        print_json(_report_facts(report) | {"cancelled": cancelled, "not_cancelled": problem})
    else:
        _show(report, scope)
        if cancelled is not None:
            say(f"Cancels written down for {counted(len(cancelled), 'open order')}.")
    if problem:
        print(f"oncefill: Nothing was cancelled: {problem}", file=sys.stderr)
    if not report.is_quiet:
        return FAILED
    return NO_ENGINE if problem else 0


def _report_facts(report: HaltReport) -> dict[str, Any]:
    names = ("signal_id", "client_order_id", "symbol", "status")
    return {
        "halts": [_facts(halt) for halt in report.halts],
        "is_quiet": report.is_quiet,
        "in_flight": [{name: getattr(order, name) for name in names} for order in report.in_flight],
        "unrecorded": report.unrecorded,
    }


def _show(report: HaltReport, scope: HaltScope) -> None:
    if report.is_quiet:
        say(f"Halted: {scope}. No new order of it leaves; cancels do.", style="bold red")
    else:
        say(
            f"Halted: {scope}. One call to the broker that began before has not ended; "
            "after it no new order leaves. The engine may hang: look at it.",
            style="bold red",
        )
    if report.in_flight:
        say("Placements without an outcome, which may become or be orders at the broker:")
    for order in report.in_flight:
        say(f"  {order.signal_id}  {order.client_order_id}  {order.symbol}  {order.status}")
    if report.unrecorded:
        say(f"The journal has no row of it yet, the file holds it: {report.unrecorded}")


def _cancel_open(args: Namespace, halted: Halted) -> tuple[list[str] | None, str | None]:
    """Return the signals whose orders are being cancelled, or why that could not be asked."""
    body = {
        "scope": str(halted.scope),
        "reason": f"halt: {halted.reason}"[:_LONGEST_REASON],
        "requested_by": halted.requested_by,
    }
    try:
        # An engine that hangs is not waited for as long as one that has much to cancel.
        ask_door(store_in(args.store), {"status": {}}, patience_s=_HUNG_S)
        answer = ask_door(store_in(args.store), {"cancel_open": body}, patience_s=_CANCEL_S)
    except NoAnswerError as error:
        return None, str(error)
    if "error" in answer:
        return None, str(answer["error"]["problem"])
    return answer["cancelled"], None


def _resume(args: Namespace) -> int:
    clock = SystemClock()
    scope, reason, by = parse_scope(args.scope), parse_reason(args.reason), _by(args)
    resumed = Resumed(scope=scope, reason=reason, requested_by=by, at=clock.now())
    left = lift_halt(store_in(args.store), resumed, clock=clock)
    if args.json:
        print_json({"halts": [_facts(halt) for halt in left]})
    else:
        say(f"Resumed: {scope}.")
        _list(left)
    return 0


def _show_halts(args: Namespace) -> int:
    """0: none in force. 4: some are."""
    store = store_in(args.store)
    require_store(store)
    halts = halts_in_force(store).values()
    if args.json:
        print_json({"halts": [_facts(halt) for halt in halts]})
    elif not halts:
        say("No halt is in force.")
    else:
        _list(halts)
    return HALTED if halts else 0


def _list(halts: Iterable[Halted]) -> None:
    for halt in halts:
        say(f"HALT: {halt.text}", style="bold red")


def _facts(halt: Halted) -> dict[str, Any]:
    return {
        "scope": str(halt.scope),
        "reason": halt.reason,
        "requested_by": halt.requested_by,
        "since": halt.at,
    }


def _by(args: Namespace) -> str:
    by = str(args.by or user())
    if len(by) > _LONGEST_NAME or not by.isprintable():
        raise InvalidInputError("by", f"give at most {_LONGEST_NAME} printable characters")
    return by
