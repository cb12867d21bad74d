"""``run.py status``: what the engine on a store says of itself."""

from argparse import Namespace
from typing import Any

from infra.cli.door import FAILED, HALTED, ask
from infra.cli.render import say, show_facts


def run(args: Namespace) -> int:
    """Ask and show; 0 when it is ready, 4 when the whole account is halted, 1 when it failed."""

    def show(answer: dict[str, Any]) -> int:
        status = answer["status"]
        if not args.json:
            _show(status)
        if status["state"] == "failed":
            return FAILED
        return HALTED if any(text.startswith("account ") for text in status["halts"]) else 0

    return ask(args, {"status": {}}, show)


def _show(status: dict[str, Any]) -> None:
    opened = ", ".join(f"{count:,} {name}" for name, count in status["open_orders"].items())
    show_facts(
        {
            "state": status["state"],
            "account": f"{status['account_id']} on the {status['broker']} broker",
            "engine": f"pid {status['pid']}, epoch {status['epoch']}, since {status['started_at']}",
            "store": status["store"],
            "open orders": opened or "none",
        }
    )
    if status["error"]:
        say(f"It failed: {status['error']}", style="bold red")
    for halt in status["halts"]:
        say(f"HALT: {halt}", style="bold red")
