"""``run.py reconcile``: have a running engine compare all with its broker."""

from argparse import Namespace
from typing import Any

from infra.cli.door import FAILED, ask
from infra.cli.render import say


def run(args: Namespace) -> int:
    """Compare orders, fills and positions; 0 when the positions are the broker's, 1 when not."""

    def show(answer: dict[str, Any]) -> int:
        differs = answer["differs"]
        if not args.json:
            for each in differs:
                say(f"{each['symbol']}: ours {each['ours']}, the broker's {each['theirs']}")
            say(
                "They differ now. The engine looks again; what stays is written down as a break."
                if differs
                else "Positions are the broker's; news of orders and fills was taken."
            )
        return FAILED if differs else 0

    return ask(args, {"reconcile": {}}, show)
