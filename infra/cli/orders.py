"""``run.py orders``: the orders of a store, newest first."""

from argparse import Namespace
from collections.abc import Sequence
from typing import Final

from domain.signal import parse_symbol
from domain.terms import OrderStatus
from infra.cli.render import (
    ZONE,
    Column,
    amount,
    exchange_time,
    is_terminal,
    name_of,
    number,
    print_json,
    say,
    security,
    short,
    show_table,
)
from infra.cli.source import open_source, program
from infra.plain import clean
from infra.store.views import OrderView

_COLUMNS: Final = (
    Column(title="id"),
    Column(title="created", drop=1),
    Column(title="signal", is_flexible=True, drop=3),
    Column(title="symbol"),
    Column(title="side"),
    Column(title="type", drop=4),
    Column(title="qty", is_number=True),
    Column(title="limit", is_number=True),
    Column(title="filled", is_number=True),
    Column(title="avg px", is_number=True),
    Column(title="status"),
    Column(title="reason", is_flexible=True, drop=2),
)
_ID_LENGTH: Final = 8
_REASON_LENGTH: Final = 100


def run(args: Namespace) -> int:
    """List the orders that were asked for; the exit code is 0.

    Raises:
        InvalidInputError: The symbol is none.
    """
    status = OrderStatus(args.status) if args.status else None
    symbol = None if args.symbol is None else parse_symbol(args.symbol)
    with open_source(args) as reader:
        # One more than is shown tells whether there are more.
        found = reader.orders(status=status, symbol=symbol, limit=args.limit + 1)
        store = reader.path
    newest = tuple(reversed(found))
    shown, has_more = newest[: args.limit], len(newest) > args.limit
    if args.json:
        orders = [order_facts(order) for order in shown]
        print_json({"store": str(store), "orders": orders, "has_more": has_more})
    elif not shown:
        say(_none(args))
    else:
        _show(shown)
        if has_more:
            say(f"These are the newest {len(shown):,}; --limit N shows more.", style="dim")
    return 0


def order_facts(order: OrderView) -> dict[str, object]:
    """Return an order as JSON shows it."""
    facts: dict[str, object] = {
        name: getattr(order, name) for name in OrderView.__dataclass_fields__
    }
    return facts | {"name": name_of(order.symbol)}


def _none(args: Namespace) -> str:
    of = f" of {clean(args.symbol)}" if args.symbol else ""
    status = f" with status {args.status}" if args.status else ""
    return f"No orders{of}{status}." if of or status else "No orders yet."


def _show(orders: Sequence[OrderView]) -> None:
    days = {exchange_time(order.created_at).partition(" ")[0] for order in orders}
    # On a terminal every column counts: a day that they share is said once.
    is_one_day = is_terminal() and len(days) == 1
    if is_one_day:
        say(f"Orders of {min(days)}, times in {ZONE}", style="bold")
    else:
        say(f"Orders, times in {ZONE}", style="bold")
    show_table(_COLUMNS, [_row(order, is_one_day=is_one_day) for order in orders])
    if is_terminal():
        say(f"`{program()} order show ID` tells the story of one.", style="dim")


def _row(order: OrderView, *, is_one_day: bool) -> tuple[str, ...]:
    created = exchange_time(order.created_at)
    order_id = order.client_order_id
    return (
        order_id[:_ID_LENGTH] if is_terminal() else order_id,
        created.partition(" ")[2] if is_one_day else created,
        order.signal_id,
        security(order.symbol),
        order.side.value,
        order.order_type.value,
        number(order.order_qty),
        "market" if order.limit_px is None else number(order.limit_px),
        number(order.cum_qty),
        amount(order.avg_px),
        order.status.value,
        short(clean(order.reason), _REASON_LENGTH),
    )
