"""``run.py positions``: what is held, and what each symbol has earned so far."""

from argparse import Namespace
from typing import Final

from domain.position import Position
from infra.cli.render import (
    Column,
    amount,
    counted,
    name_of,
    number,
    print_json,
    say,
    security,
    show_table,
    signed,
)
from infra.cli.source import fills_not_applied, open_source

_COLUMNS: Final = (
    Column(title="symbol"),
    Column(title="qty", is_number=True),
    Column(title="avg px", is_number=True),
    Column(title="realized gross", is_number=True),
    Column(title="fees", is_number=True, drop=1),
    Column(title="taxes", is_number=True, drop=1),
    Column(title="realized net", is_number=True),
)


def run(args: Namespace) -> int:
    """List the positions, flat ones too; the exit code is 0."""
    with open_source(args) as reader, reader.snapshot():
        positions, late, store = reader.positions(), fills_not_applied(reader), reader.path
    if args.json:
        shown = [_facts(position) for position in positions]
        print_json({"store": str(store), "positions": shown, "fills_not_applied": late})
        return 0
    if positions:
        show_table(_COLUMNS, [_row(position) for position in positions])
    else:
        say("No positions: nothing has been filled yet." if not late else "No positions yet.")
    say_what_is_late(late)
    return 0


def say_what_is_late(fills: int) -> None:
    """Say that booked fills are missing from what was shown, if any are."""
    if fills:
        say(f"{counted(fills, 'fill')} booked but not counted above yet; look again in a moment.")


def _row(position: Position) -> tuple[str, ...]:
    return (
        security(position.symbol),
        number(position.qty),
        amount(position.avg_px),
        signed(position.realized_gross),
        amount(position.fees),
        amount(position.taxes),
        signed(position.realized_net),
    )


def _facts(position: Position) -> dict[str, object]:
    return {
        "symbol": position.symbol,
        "name": name_of(position.symbol),
        "qty": position.qty,
        "avg_px": position.avg_px,
        "cost": position.cost,
        "realized_gross": position.realized_gross,
        "fees": position.fees,
        "taxes": position.taxes,
        "realized_net": position.realized_net,
    }
