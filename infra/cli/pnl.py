"""``run.py pnl``: what each day realized and cost, and the total."""

from argparse import Namespace
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from domain.money import exact
from domain.position import DailyPnl
from domain.terms import ZERO
from infra.cli.positions import say_what_is_late
from infra.cli.render import Column, amount, print_json, say, show_table, signed
from infra.cli.source import fills_not_applied, open_source

_COLUMNS: Final = (
    Column(title="day"),
    Column(title="realized gross", is_number=True),
    Column(title="fees", is_number=True),
    Column(title="taxes", is_number=True),
    Column(title="net", is_number=True),
)


def run(args: Namespace) -> int:
    """Show P&L by trade date, of one with ``--day``; the exit code is 0."""
    with open_source(args) as reader, reader.snapshot():
        every, late, store = reader.daily_pnl(), fills_not_applied(reader), reader.path
    days = tuple(pnl for pnl in every if args.day in (None, pnl.day))
    if args.json:
        by_day = [{"day": pnl.day, **_sums([pnl])} for pnl in days]
        report = {"days": by_day, "total": _sums(days), "fills_not_applied": late}
        print_json({"store": str(store), **report})
        return 0
    if days:
        rows = [_row(pnl.day.isoformat(), [pnl]) for pnl in days]
        show_table(_COLUMNS, [*rows, _row("total", days)])
    else:
        say(f"Nothing was filled on {args.day}." if args.day else "No P&L: nothing was filled yet.")
    say_what_is_late(late)
    return 0


def _sums(days: Sequence[DailyPnl]) -> dict[str, Decimal]:
    with exact():
        return {
            "realized_gross": sum((pnl.realized_gross for pnl in days), ZERO),
            "fees": sum((pnl.fees for pnl in days), ZERO),
            "taxes": sum((pnl.taxes for pnl in days), ZERO),
            "net": sum((pnl.net for pnl in days), ZERO),
        }


def _row(name: str, days: Sequence[DailyPnl]) -> tuple[str, ...]:
    sums = _sums(days)
    gross, net = signed(sums["realized_gross"]), signed(sums["net"])
    return name, gross, amount(sums["fees"]), amount(sums["taxes"]), net
