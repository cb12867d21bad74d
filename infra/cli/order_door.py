"""``run.py order place|cancel|resolve``: through the door of a running engine."""

import getpass
import sys
from argparse import Namespace
from typing import Any

from infra.cli.door import HALTED, ask
from infra.cli.render import say


def place(args: Namespace) -> int:
    """Tell a signal; 0 when it is durable, 4 when it is and waits because of a halt."""
    signal: dict[str, object] = {
        "signal_id": args.signal_id,
        "symbol": args.symbol,
        "side": args.side,
        "order_qty": args.qty,
        "strategy_id": args.strategy,
        "time_in_force": args.time_in_force,
    }
    if args.limit is not None:
        signal |= {"order_type": "LIMIT", "limit_px": args.limit}
    if args.deadline is not None:
        signal["deadline"] = args.deadline

    def show(answer: dict[str, Any]) -> int:
        receipt, halt = answer["receipt"], answer["halt"]
        if not args.json:
            again = " It was told before: this is the same order." * receipt["is_duplicate"]
            say(f"Taken as order {receipt['client_order_id']}.{again}")
            if halt:
                say(f"Held back until its deadline: {halt}.", style="bold red")
        return HALTED if halt else 0

    return ask(args, {"signal": signal}, show)


def cancel(args: Namespace) -> int:
    """Wish to cancel; 0 when the wish is durable: the order's reports say how it ended."""
    if args.id is None:
        return _cancel_all(args)
    wish = {"signal_id": args.id, "reason": args.reason, "requested_by": args.by or user()}

    def show(answer: dict[str, Any]) -> int:
        if not args.json:
            say(f"Cancel of order {answer['receipt']['client_order_id']} written down.")
        return 0

    return ask(args, {"cancel": wish}, show)


def _cancel_all(args: Namespace) -> int:
    body = {"scope": args.scope, "reason": args.reason, "requested_by": args.by or user()}

    def show(answer: dict[str, Any]) -> int:
        if not args.json:
            count = len(answer["cancelled"])
            say(f"Cancels of {count} open order{'s' * (count != 1)} written down.")
        return 0

    return ask(args, {"cancel_open": body}, show)


def resolve(args: Namespace) -> int:
    """Decide about an order in doubt, as a person found out; 0 when the decision is durable."""
    wish: dict[str, object] = {
        "signal_id": args.id,
        "reason": args.reason,
        "requested_by": args.by or user(),
        "verdict": "ABSENT" if args.absent else "ADOPT",
    }
    if not args.absent:
        wish |= {"broker_order_id": args.adopt, "trade_date": args.trade_date}

    def show(answer: dict[str, Any]) -> int:
        if not args.json:
            say(f"Decision about order {answer['receipt']['client_order_id']} written down.")
        return 0

    return ask(args, {"resolve": wish}, show)


def user() -> str:
    """Return who runs the command, as far as the system knows."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        print("oncefill: this user has no name; say it with --by", file=sys.stderr)
        return ""
