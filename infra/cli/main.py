"""The commands, their options, and how a command ends; imports nothing heavy."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import partial
from importlib import import_module
from pathlib import Path

from domain.errors import InvalidInputError, OncefillError
from domain.terms import OrderStatus

Command = Callable[[argparse.Namespace], int]
_Add = Callable[..., argparse.ArgumentParser]

FAILED, WRONG_USE = 1, 2
INTERRUPTED, PIPE_CLOSED = 130, 141  # 128 + SIGINT, 128 + SIGPIPE, as shells report them.

_STATUSES = tuple(status.value for status in OrderStatus)
_ABOUT = "Oncefill turns each trading signal into exactly one broker order. Try: demo"


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the command and its options; without a command, show what there is and exit."""
    parser = build_parser()
    if not argv:
        parser.print_help()
        parser.exit()
    args, rest = parser.parse_known_args(argv)
    if args.command == "test":
        args.pytest = rest
    elif rest:
        parser.error(f"unknown: {' '.join(rest)}")
    if args.command == "replay" and args.fast >= args.slow:
        parser.error("--fast must be smaller than --slow")
    return args


def command(name: str) -> Command:
    """Return what runs the command ``name``: the function ``run`` of infra/cli/<name>.py."""
    run: Command = import_module(f"infra.cli.{name}").run
    return run


def guarded(perform: Callable[[], int]) -> int:
    """Return the exit code of ``perform``; an error raised on purpose becomes one line."""
    try:
        code = perform()
        sys.stdout.flush()
    except OncefillError as error:
        print(f"oncefill: {error}", file=sys.stderr)
        return WRONG_USE if isinstance(error, InvalidInputError) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader, as in "orders | head", has gone; Python flushes once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    return code


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    checkout = Path(sys.argv[0]).name == "run.py"
    parser = argparse.ArgumentParser(
        prog="python3 run.py" if checkout else "oncefill",
        description=_ABOUT,
        epilog="COMMAND --help shows the options of a command.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", title="commands", required=True
    )
    add = partial(_add, commands.add_parser)
    _add_trading(add)
    _add_readers(add)
    _add_tools(add)
    return parser


def _add(add_parser: _Add, name: str, about: str) -> argparse.ArgumentParser:
    return add_parser(name, help=about, description=about.capitalize() + ".", allow_abbrev=False)


def _add_trading(add: _Add) -> None:
    demo = add("demo", "trade half a minute on the paper broker")
    demo.add_argument("--seed", type=_count, default=7, help="same seed, same market")
    demo.add_argument("--seconds", type=_positive, default=30, help="how long (default 30)")
    replay = add("replay", "trade a strategy on prices from CSV files")
    replay.add_argument("prices", nargs="+", type=Path, metavar="PRICES", help="CSV files")
    replay.add_argument("--strategy", choices=("crossover",), default="crossover")
    replay.add_argument("--fast", type=_positive, default=5, metavar="N", help="bars, default 5")
    replay.add_argument("--slow", type=_positive, default=20, metavar="N", help="bars, default 20")
    replay.add_argument("--cash", type=_money, default=Decimal(100_000_000), help="at the start")
    replay.add_argument("--seed", type=_count, default=7, help="same seed, same result")
    _add_json(replay)
    for trading in (demo, replay):
        _add_store(trading, "keep it here (default: a fresh folder in .oncefill)")


def _add_readers(add: _Add) -> None:
    orders = add("orders", "list orders, newest first")
    orders.add_argument("--status", type=str.upper, choices=_STATUSES, metavar="S")
    orders.add_argument("--symbol")
    orders.add_argument("--limit", type=_positive, default=50, metavar="N", help="default 50")
    order = add("order", "show one order: order show ID").add_subparsers(
        dest="action", required=True
    )
    show = _add(order.add_parser, "show", "show what happened to one order, step by step")
    show.add_argument("id", metavar="ID", help="the order's id, or the signal's")
    positions = add("positions", "list positions")
    pnl = add("pnl", "show profit and loss by day")
    pnl.add_argument("--day", type=_day, metavar="YYYY-MM-DD", help="this day only")
    audit = add("audit", "check the journal (audit verify) or list it (audit show)").add_subparsers(
        dest="action", required=True
    )
    verify = _add(audit.add_parser, "verify", "check the journal from its first event")
    events = _add(audit.add_parser, "show", "list events")
    events.add_argument("--after", type=_count, default=0, metavar="SEQ", help="later than this")
    events.add_argument("--limit", type=_positive, default=50, metavar="N", help="default 50")
    events.add_argument("--stream", help="of this stream only")
    doctor = add("doctor", "check that this machine and the store are fit to trade")
    for reader in (orders, show, positions, pnl, verify, events, doctor):
        _add_json(reader)
        _add_store(reader, "read this one (default: the latest in .oncefill)")


def _add_tools(add: _Add) -> None:
    bench = add("bench", "measure speed on this machine")
    bench.add_argument("--orders", type=_positive, default=10_000, metavar="N", help="in a burst")
    bench.add_argument("--quick", action="store_true", help="a few seconds, rough numbers")
    _add_json(bench)
    test = add("test", "run the tests; other options go to pytest")
    test.add_argument("--cov", action="store_true", help="measure branch coverage")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_store(parser: argparse.ArgumentParser, about: str) -> None:
    parser.add_argument("--store", type=Path, metavar="PATH", help=about)


def _count(text: str) -> int:
    return _whole(text, least=0)


def _positive(text: str) -> int:
    return _whole(text, least=1)


def _whole(text: str, *, least: int) -> int:
    if not (text.isascii() and text.isdigit() and int(text) >= least):
        message = f"{text!r} is not a whole number of at least {least}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _money(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(0)
    if not (amount.is_finite() and amount > 0):
        message = f"{text!r} is not an amount above zero"
        raise argparse.ArgumentTypeError(message)
    return amount


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is not a day; write YYYY-MM-DD"
        raise argparse.ArgumentTypeError(message) from None
