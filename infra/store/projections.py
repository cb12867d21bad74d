"""What screens filter by, written in the transaction of the events it comes from.

Of each stream only the last state of a commit is written. All of it can be dropped and made again
from the journal.
"""

from typing import Any, Final

from domain.events import Filled
from domain.executions import recorded_fill
from domain.journal import Append
from domain.order import Order
from domain.position import DailyPnl, Position, PositionBook, PositionChanged, RecordedFill
from infra.store.drivers import Driver
from infra.store.statements import Change, Insert
from infra.store.tables import CHECKPOINTS, DAILY_PNL, FILLS, ORDERS, POSITIONS

BOOK: Final = "positions"  # The book's name among the checkpoints.

_CHANGING: Final = (  # Of what the signal said only the terms ever change.
    "order_qty",
    "limit_px",
    "status",
    "is_open",
    "broker_order_id",
    "trade_date",
    "cum_qty",
    "avg_px",
    "attempts",
    "reason",
    "submitted_at",
    "filled_at",
    "claim",
    "updated_seq",
)
_SUMS: Final = ("realized_gross", "fees", "taxes", "updated_seq")

_ORDERS: Final = Insert(ORDERS, updates=_CHANGING)
_KNOWN_ORDERS: Final = Change(ORDERS, updates=_CHANGING)
_FILLS: Final = Insert(FILLS)
_POSITIONS: Final = Insert(POSITIONS, updates=("qty", "cost", *_SUMS))
_DAILY_PNL: Final = Insert(DAILY_PNL, updates=_SUMS)
_CHECKPOINTS: Final = Insert(CHECKPOINTS, updates=("seq", "version"))

_Row = tuple[Any, ...]


class Projections:
    """The projections of one commit's appends: collect them, then write them once."""

    __slots__ = ("_checkpoints", "_daily", "_fills", "_new", "_orders", "_positions")

    def __init__(self) -> None:
        self._new: set[str] = set()
        self._orders: dict[str, tuple[Order, int]] = {}
        self._fills: list[_Row] = []
        self._positions: dict[Any, _Row] = {}
        self._daily: dict[Any, _Row] = {}
        self._checkpoints: dict[str, _Row] = {}

    def add(self, append: Append, *, first_seq: int, is_new: bool) -> None:
        """Take in an append whose first event has number ``first_seq``, of a new stream or not."""
        match append.state:
            case Order() as order:
                if is_new:
                    self._new.add(order.client_order_id)
                self._orders[order.client_order_id] = (order, first_seq + len(append.events) - 1)
                for seq, event in enumerate(append.events, first_seq):
                    if isinstance(event, Filled):
                        self._fills.append(fill_row(recorded_fill(order, event, seq)))
            case PositionBook() as book:
                self._add_book(book, append, first_seq)
            case _:
                pass

    def write(self, driver: Driver) -> None:
        """Write what was collected."""
        self._write_orders(driver)
        _FILLS.write(driver, self._fills)
        _POSITIONS.write(driver, list(self._positions.values()))
        _DAILY_PNL.write(driver, list(self._daily.values()))
        _CHECKPOINTS.write(driver, list(self._checkpoints.values()))

    def _write_orders(self, driver: Driver) -> None:
        new: list[_Row] = []
        known: list[_Row] = []
        for key, (order, seq) in self._orders.items():
            (new if key in self._new else known).append(order_row(order, seq))
        _ORDERS.write(driver, new)
        if not _KNOWN_ORDERS.write(driver, known):
            # The table was dropped, and is not made again yet.
            _ORDERS.write(driver, known)

    def _add_book(self, book: PositionBook, append: Append, first_seq: int) -> None:
        for seq, event in enumerate(append.events, first_seq):
            if isinstance(event, PositionChanged):
                held, day = book.positions[event.symbol], book.daily[event.trade_date]
                self._positions[held.symbol] = position_row(held, seq)
                self._daily[day.day] = daily_row(day, seq)
        self._checkpoints[BOOK] = (BOOK, book.checkpoint, book.version)


def order_row(order: Order, seq: int) -> _Row:
    """Return the order's row, its columns in the order of the table."""
    signal, status = order.signal, order.status
    return (
        order.client_order_id,
        signal.signal_id,
        signal.account_id,
        signal.symbol,
        signal.side.value,
        signal.order_type.value,
        order.order_qty,
        order.limit_px,
        signal.time_in_force.value,
        signal.strategy_id,
        status.value,
        not status.is_terminal,
        order.broker_order_id,
        order.trade_date,
        order.cum_qty,
        order.avg_px,
        order.attempts,
        order.reason,
        order.created_at,
        order.submitted_at,
        order.filled_at,
        order.claim,
        seq,
    )


def fill_row(fill: RecordedFill) -> _Row:
    """Return the execution's row, its columns in the order of the table."""
    return (
        fill.seq,
        fill.client_order_id,
        fill.broker_order_id,
        fill.trade_date,
        fill.exec_id,
        fill.symbol,
        fill.side.value,
        fill.last_qty,
        fill.last_px,
        fill.commission,
        fill.tax,
        fill.transact_time,
    )


def position_row(held: Position, seq: int) -> _Row:
    """Return the position's row, its columns in the order of the table."""
    return (
        held.symbol,
        held.qty,
        held.cost,
        held.realized_gross,
        held.fees,
        held.taxes,
        seq,
    )


def daily_row(day: DailyPnl, seq: int) -> _Row:
    """Return the day's row, its columns in the order of the table."""
    return (day.day, day.realized_gross, day.fees, day.taxes, seq)
