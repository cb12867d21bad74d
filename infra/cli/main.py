"""The commands, their options, and how a command ends; imports nothing heavy."""

import argparse
import errno
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from decimal import Decimal
from functools import partial
from importlib import import_module
from pathlib import Path

from domain.errors import InvalidInputError, OncefillError
from domain.money import parse_decimal
from domain.terms import OrderStatus
from infra.cli.audit_options import add_audit
from infra.cli.desk_options import add_desk
from infra.cli.interrupts import exit_code, terminable

Command = Callable[[argparse.Namespace], int]
_Add = Callable[..., argparse.ArgumentParser]

FAILED, WRONG_USE = 1, 2
PIPE_CLOSED = 141  # 128 + SIGPIPE, as shells report it.

# What a write says where the output is full, gone, or was never open for writing.
_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})

# A listing asks for one row more than it shows, and SQLite counts in 64 bits.
_MOST = 2**63 - 2
_MOST_SECONDS = 86_400

_SERVED = "the engine's folder or URL (default: ONCEFILL_STORE, or .oncefill/main)"
_MODULES = {"resume": "halt", "halts": "halt"}

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
    run: Command = import_module(f"infra.cli.{_MODULES.get(name, name)}").run
    return run


def guarded(perform: Callable[[], int]) -> int:
    """Return the exit code of ``perform``; an error raised on purpose becomes one line.

    SIGTERM and SIGHUP end it as Ctrl-C does, by their own codes.
    """
    _open_missing_outputs()
    try:
        with terminable():
            code = perform()
        sys.stdout.flush()
    except OncefillError as error:
        _say_error(str(error))
        return WRONG_USE if isinstance(error, InvalidInputError) else FAILED
    except KeyboardInterrupt as interrupt:
        return exit_code(interrupt)
    except BrokenPipeError:
        # The reader, as in "orders | head", has gone.
        _drop_output()
        return PIPE_CLOSED
    except OSError as error:
        return _unwritten(error)
    return code


def _open_missing_outputs() -> None:
    """Give standard output and error a place where the caller closed them."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))


def _unwritten(error: OSError) -> int:
    """Return the exit code after output that nobody can have; other errors are bugs and go on."""
    if error.errno not in _UNWRITABLE or error.filename is not None:
        raise error
    _drop_output()
    _say_error(f"The output cannot be written: {error.strerror}; send it elsewhere.")
    # A terminal that goes away takes its output along: then its SIGHUP is the cause.
    cause = error.__context__
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__context__
    return FAILED if cause is None else exit_code(cause)


def _drop_output() -> None:
    # What is left in the buffer goes nowhere: Python flushes once more at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say_error(text: str) -> None:
    # Where standard error cannot be written either, the exit code says it.
    with suppress(OSError):
        print(f"oncefill: {text}", file=sys.stderr)


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
    _add_serving(add)
    _add_readers(add)
    _add_tools(add)
    return parser


def _add(add_parser: _Add, name: str, about: str) -> argparse.ArgumentParser:
    sentence = f"{about[0].upper()}{about[1:]}."
    return add_parser(name, help=about, description=sentence, allow_abbrev=False)


def _add_trading(add: _Add) -> None:
    demo = add("demo", "trade half a minute on the paper broker")
    demo.add_argument("--seed", type=_count, default=7, help="same seed, same market")
    demo.add_argument("--seconds", type=_seconds, default=30, help="how long (default 30)")
    replay = add("replay", "trade a strategy on prices from CSV files")
    replay.add_argument("prices", nargs="+", type=Path, metavar="PRICES", help="CSV files")
    replay.add_argument("--strategy", choices=("crossover",), default="crossover")
    replay.add_argument("--fast", type=_positive, default=5, metavar="N", help="bars, default 5")
    replay.add_argument("--slow", type=_positive, default=20, metavar="N", help="bars, default 20")
    replay.add_argument("--cash", type=_money, default=Decimal(100_000_000), help="at the start")
    replay.add_argument("--seed", type=_count, default=7, help="same seed, same result")
    _add_json(replay)
    for trading in (demo, replay):
        about = "keep it here (default: a fresh folder in .oncefill)"
        trading.add_argument("--store", type=Path, metavar="PATH", help=about)


def _add_serving(add: _Add) -> None:
    serve = add("serve", "run the engine as a process of its own, with a local socket")
    serve.add_argument("--config", type=Path, metavar="FILE", help="settings, as TOML")
    serve.add_argument(
        "--take-over", action="store_true", help="kill the local engine that holds the store"
    )
    status = add("status", "ask the engine how it is")
    reconcile = add("reconcile", "compare orders, fills and positions with the broker now")
    halt = add("halt", "let no new order leave, whatever the engine does")
    resume = add("resume", "end a halt")
    halts = add("halts", "list the halts in force")
    for command_ in (halt, resume):
        about = "account, strategy:NAME or symbol:CODE"
        command_.add_argument("--scope", required=True, help=about)
        command_.add_argument("--reason", required=True, help="why, for whoever comes next")
        command_.add_argument("--by", default="", metavar="NAME", help="default: this user")
    halt.add_argument("--cancel", action="store_true", help="cancel its open orders as well")
    halt.add_argument(
        "--wait", type=_seconds, default=6, metavar="S", help="for calls under way, default 6"
    )
    for served in (serve, status, reconcile, halt, resume, halts):
        _add_json(served)
        _add_store(served, _SERVED)


def _add_orders(order: _Add) -> None:
    place = _add(order, "place", "ask the engine to place an order")
    place.add_argument("symbol", metavar="SYMBOL")
    place.add_argument("side", metavar="BUY|SELL", type=str.upper, choices=("BUY", "SELL"))
    place.add_argument("qty", metavar="QTY")
    place.add_argument("--signal-id", required=True, metavar="ID", help="told twice: one order")
    place.add_argument("--limit", metavar="PX", help="a limit order at this price")
    place.add_argument("--strategy", default="", metavar="NAME", help="who wants it")
    place.add_argument("--time-in-force", default="DAY", type=str.upper, metavar="DAY|IOC|FOK")
    place.add_argument("--deadline", metavar="TIME", help="not sent later; with its zone")
    cancel = _add(order, "cancel", "ask the engine to cancel an order, or all")
    which = cancel.add_mutually_exclusive_group(required=True)
    which.add_argument("id", metavar="SIGNAL_ID", nargs="?")
    which.add_argument("--all", action="store_true", help="every order that has not ended")
    about = "with --all: account (default), strategy:NAME or symbol:CODE"
    cancel.add_argument("--scope", default="account", help=about)
    cancel.add_argument("--reason", default="", help="why, for the audit trail; with --all a must")
    cancel.add_argument("--by", default="", metavar="NAME", help="default: this user")
    resolve = _add(order, "resolve", "decide about an order in doubt, as you found out")
    resolve.add_argument("id", metavar="SIGNAL_ID")
    verdict = resolve.add_mutually_exclusive_group(required=True)
    verdict.add_argument("--adopt", metavar="NUMBER", help="it is this order at the broker")
    verdict.add_argument("--absent", action="store_true", help="the broker does not have it")
    resolve.add_argument("--trade-date", metavar="YYYY-MM-DD", help="of the number, with --adopt")
    resolve.add_argument("--reason", required=True, help="what shows it, for the audit trail")
    resolve.add_argument("--by", default="", metavar="NAME", help="default: this user")
    for asking in (place, cancel, resolve):
        _add_json(asking)
        _add_store(asking, _SERVED)


def _add_readers(add: _Add) -> None:
    orders = add("orders", "list orders, newest first")
    orders.add_argument("--status", type=str.upper, choices=_STATUSES, metavar="S")
    orders.add_argument("--symbol")
    orders.add_argument("--limit", type=_positive, default=50, metavar="N", help="default 50")
    order = add("order", "show, place, cancel or resolve one order: order show ID").add_subparsers(
        dest="action", required=True
    )
    _add_orders(order.add_parser)
    show = _add(order.add_parser, "show", "show what happened to one order, step by step")
    show.add_argument("id", metavar="ID", help="the order's id, or the signal's")
    positions = add("positions", "list positions")
    pnl = add("pnl", "show profit and loss by day")
    pnl.add_argument("--day", type=_day, metavar="YYYY-MM-DD", help="this day only")
    audit = add("audit", "check the journal, list, export it, or rebuild from it")
    actions = audit.add_subparsers(dest="action", required=True)
    add_action = partial(_add, actions.add_parser)
    audits = add_audit(add_action, count=_count, positive=_positive, text=_text)
    desk = add_desk(add, _add, day=_day)
    doctor = add("doctor", "check that this machine and the store are fit to trade")
    for reader in (orders, show, positions, pnl, *audits, *desk, doctor):
        _add_json(reader)
        _add_store(reader, "read this file or URL (default: the latest in .oncefill)")


def _add_tools(add: _Add) -> None:
    bench = add("bench", "measure speed on this machine")
    bench.add_argument("--orders", type=_positive, default=10_000, metavar="N", help="in a burst")
    bench.add_argument("--quick", action="store_true", help="a few seconds, rough numbers")
    _add_json(bench)
    simulate = add("simulate", "run simulated days full of faults and check every promise")
    simulate.add_argument("--seeds", type=_positive, metavar="N", help="days, default 1000")
    simulate.add_argument("--seed", type=_count, metavar="S", help="this day, or the first one")
    simulate.add_argument("--profile", default="mixed", help="mixed, network, machine, calm, ...")
    simulate.add_argument("--story", action="store_true", help="tell what happened on day S")
    simulate.add_argument("--bugs", action="store_true", help="look for the planted bugs")
    _add_json(simulate)
    torture = add("torture", "kill a real engine again and again, and compare the books")
    torture.add_argument("--kills", type=_positive, default=50, metavar="N", help="default 50")
    torture.add_argument("--seed", type=_count, default=1, metavar="S", help="default 1")
    _add_json(torture)
    test = add("test", "run the tests; other options go to pytest")
    test.add_argument("--cov", action="store_true", help="measure branch coverage")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_store(parser: argparse.ArgumentParser, about: str) -> None:
    parser.add_argument("--store", type=_place, metavar="PATH", help=about)


def _place(text: str) -> Path | str:
    """A URL stays text: a path would lose one of its slashes."""
    return text if "://" in text else Path(text)


def _count(text: str) -> int:
    return _whole(text, least=0)


def _positive(text: str) -> int:
    return _whole(text, least=1)


def _seconds(text: str) -> int:
    return _whole(text, least=1, most=_MOST_SECONDS)


def _whole(text: str, *, least: int, most: int = _MOST) -> int:
    is_whole = text.isascii() and text.isdigit()
    # Python does not read thousands of digits, and says so in its own words.
    if is_whole and len(text.lstrip("0")) > len(str(most)):
        value = most + 1
    else:
        value = int(text) if is_whole else least - 1
    if value < least:
        message = f"{text!r} is not a whole number of at least {least}"
        raise argparse.ArgumentTypeError(message)
    if value > most:
        message = f"give at most {most}"
        raise argparse.ArgumentTypeError(message)
    return value


def _text(text: str) -> str:
    try:
        # Bytes that are no text cannot be looked for in a store.
        text.encode()
    except UnicodeEncodeError:
        message = f"{text!r} is not text"
        raise argparse.ArgumentTypeError(message) from None
    return text


def _money(text: str) -> Decimal:
    try:
        amount = parse_decimal("cash", text)
    except InvalidInputError as error:
        message = f"{text!r} is not an amount above zero: {str(error).partition(': ')[2]}"
        raise argparse.ArgumentTypeError(message) from None
    if amount <= 0:
        message = f"{text!r} is not an amount above zero"
        raise argparse.ArgumentTypeError(message)
    return amount


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is not a day; write YYYY-MM-DD"
        raise argparse.ArgumentTypeError(message) from None
