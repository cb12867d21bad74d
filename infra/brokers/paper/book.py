"""The broker's durable book: committed to its own file before anything is answered.

Orders and executions are the truth; cash, positions and numbering are folded from them when the
book is opened, so they cannot disagree after a kill. One process holds the file at a time.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from itertools import takewhile
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, Table, create_engine, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from domain.errors import StoreError
from domain.money import exact
from domain.terms import ZERO, AccountId, BrokerOrderId, ClientOrderId, Symbol
from infra.brokers.paper.orders import Account, Execution, PaperOrder
from infra.brokers.paper.rows import (
    UPDATE_ORDER,
    changed_row,
    execution_of,
    execution_row,
    order_of,
    order_row,
)
from infra.brokers.paper.tables import ACCOUNTS, EXECUTIONS, ORDERS, PAPER, SCHEMA_VERSION

# A predecessor that is being stopped needs a moment; one that was killed needs none.
_LOCK_TIMEOUT_S = 1.0


class Book:
    """Orders, executions and accounts; every change is on disk before it can be seen.

    Not thread-safe: the broker that owns it holds one lock.
    """

    def __init__(self, path: Path, *, opening_cash: Decimal, power_safe: bool) -> None:
        """Open the book, or make it.

        Raises:
            StoreError: The file cannot be used, is newer, or another process holds it.
        """
        self._path = path
        self._opening_cash = opening_cash
        self._orders: dict[int, PaperOrder] = {}
        self._by_number: dict[tuple[date, BrokerOrderId], int] = {}
        self._by_client_id: dict[tuple[AccountId, ClientOrderId], int] = {}
        self._open: dict[Symbol, dict[int, None]] = {}
        self._last_number: dict[date, int] = {}
        self._executions: list[Execution] = []
        self._amounts: dict[int, Decimal] = {}
        self._accounts: dict[AccountId, Account] = {}
        self._is_broken = False
        self._connection = _connect(path, power_safe=power_safe)
        try:
            self._load()
        except StoreError:
            self.close()
            raise

    @property
    def next_seq(self) -> int:
        """Return the number that the next order gets inside the book."""
        return len(self._orders) + 1

    def next_number(self, trade_date: date) -> BrokerOrderId:
        """Return the broker order number that comes next on ``trade_date``."""
        return BrokerOrderId(f"{self._last_number.get(trade_date, 0) + 1:010d}")

    def account(self, account_id: AccountId, at: datetime) -> Account:
        """Return the account; the first time it is named, it opens with the opening cash."""
        if account_id not in self._accounts:
            row = {"account_id": account_id, "opening_cash": self._opening_cash, "opened_at": at}
            with self._transaction() as connection:
                connection.execute(insert(ACCOUNTS), row)
            self._accounts[account_id] = Account(cash=self._opening_cash)
        return self._accounts[account_id]

    def order(self, seq: int) -> PaperOrder:
        """Return the order with that number inside the book."""
        return self._orders[seq]

    def numbered(self, trade_date: date, broker_order_id: BrokerOrderId) -> PaperOrder | None:
        """Return the order with that number on that trade date, or None."""
        seq = self._by_number.get((trade_date, broker_order_id))
        return None if seq is None else self._orders[seq]

    def named(self, account_id: AccountId, client_order_id: ClientOrderId) -> PaperOrder | None:
        """Return the order placed under that client id, or None."""
        seq = self._by_client_id.get((account_id, client_order_id))
        return None if seq is None else self._orders[seq]

    def resting(self, symbol: Symbol) -> tuple[PaperOrder, ...]:
        """Return the open orders of a symbol in time priority."""
        return tuple(self._orders[seq] for seq in self._open.get(symbol, ()))

    def open_orders(self) -> tuple[PaperOrder, ...]:
        """Return all open orders, oldest first."""
        return tuple(self._orders[seq] for seq in sorted(s for g in self._open.values() for s in g))

    def orders(self) -> tuple[PaperOrder, ...]:
        """Return every order ever accepted, oldest first."""
        return tuple(self._orders.values())

    def executions(self, since: datetime | None = None) -> tuple[Execution, ...]:
        """Return the executions at or after ``since``, oldest first; all of them for None."""
        if since is None:
            return tuple(self._executions)
        newest_first = reversed(self._executions)
        late = list(takewhile(lambda each: each.fill.transact_time >= since, newest_first))
        return tuple(reversed(late))

    def amount(self, seq: int) -> Decimal:
        """Return price times quantity over an order's executions."""
        return self._amounts.get(seq, ZERO)

    def commit(self, orders: Sequence[PaperOrder], executions: Sequence[Execution] = ()) -> None:
        """Write new and changed orders and their executions in one transaction, then show them.

        Raises:
            StoreError: Nothing may be answered; the book must be opened again.
        """
        new = [order_row(order) for order in orders if order.seq not in self._orders]
        changed = [changed_row(order) for order in orders if order.seq in self._orders]
        with self._transaction() as connection:
            if new:
                connection.execute(insert(ORDERS), new)
            if changed:
                connection.execute(UPDATE_ORDER, changed)
            if executions:
                connection.execute(insert(EXECUTIONS), [execution_row(each) for each in executions])
        for order in orders:
            self._show(order)
        for execution in executions:
            self._count(execution)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
        self._connection.engine.dispose()

    def _load(self) -> None:
        """Fold what the file holds; afterwards memory and file change together."""
        with self._transaction() as connection:
            for row in connection.execute(select(ACCOUNTS)).mappings():
                self._accounts[AccountId(row["account_id"])] = Account(cash=row["opening_cash"])
            for row in connection.execute(_all(ORDERS)).mappings():
                self._show(order_of(row))
            for row in connection.execute(_all(EXECUTIONS)).mappings():
                self._count(execution_of(row, self._orders[row["order_seq"]]))

    def _show(self, order: PaperOrder) -> None:
        before = self._orders.get(order.seq)
        account = self._accounts[order.account_id]
        if before is None:
            self._by_number[order.trade_date, order.broker_order_id] = order.seq
            self._by_client_id[order.account_id, order.client_order_id] = order.seq
            self._last_number[order.trade_date] = int(order.broker_order_id)
        else:
            account.reserve(before, -1)
        account.reserve(order, +1)
        self._orders[order.seq] = order
        resting = self._open.setdefault(order.symbol, {})
        if order.is_open:
            resting[order.seq] = None
        else:
            resting.pop(order.seq, None)

    def _count(self, execution: Execution) -> None:
        self._executions.append(execution)
        fill = execution.fill
        with exact():
            amount = self.amount(execution.order_seq) + fill.last_qty * fill.last_px
        self._amounts[execution.order_seq] = amount
        self._accounts[execution.account_id].book(execution.fill)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """Commit on leaving; after a failure the book is not used again (it may have committed)."""
        if self._is_broken:
            text = f"{self._path}: the paper book failed before; start the broker again."
            raise StoreError(text)
        try:
            with self._connection.begin():
                yield self._connection
        except SQLAlchemyError as error:
            self._is_broken = True
            raise StoreError(_unusable(self._path, error)) from error


def _all(table: Table) -> Select[Any]:
    return select(table).order_by(table.c.seq)


def _connect(path: Path, *, power_safe: bool) -> Connection:
    """Open the file for this process alone, with the tables that it needs."""
    try:
        # Made before the database opens it, so that nobody else can ever read it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        msg = f"{path} cannot be used: {error.strerror}. Name another file."
        raise StoreError(msg) from error
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=StaticPool,
        connect_args={"check_same_thread": False, "timeout": _LOCK_TIMEOUT_S},
    )
    try:
        connection = engine.connect()
        _prepare(connection, path, power_safe=power_safe)
    except SQLAlchemyError as error:
        engine.dispose()
        raise StoreError(_unusable(path, error)) from error
    except StoreError:
        engine.dispose()
        raise
    return connection


def _prepare(connection: Connection, path: Path, *, power_safe: bool) -> None:
    run = connection.exec_driver_sql
    run("PRAGMA locking_mode = EXCLUSIVE")
    run("PRAGMA journal_mode = WAL")
    run(f"PRAGMA synchronous = {'FULL' if power_safe else 'NORMAL'}")
    version = run("PRAGMA user_version").scalar_one()
    if version > SCHEMA_VERSION:
        text = f"{path}: written by a newer Oncefill (schema {version}); update this one."
        raise StoreError(text)
    run("BEGIN EXCLUSIVE")
    PAPER.create_all(connection)
    run(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.commit()


def _unusable(path: Path, error: SQLAlchemyError) -> str:
    cause = str(getattr(error, "orig", None) or type(error).__name__)
    hint = "another process holds it" if "locked" in cause else "see the folder and the disk"
    return f"{path}: the paper book cannot be used ({cause}); {hint}."
