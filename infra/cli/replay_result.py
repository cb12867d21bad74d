"""What a replay came to: trades, profit and loss, and whether engine and broker agree."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from domain.broker import BrokerFill
from domain.money import exact, round_half_even, trim
from domain.position import DailyPnl, Position, RecordedFill
from domain.terms import ZERO, OrderStatus, Side, Symbol
from infra.brokers.paper import Ledger
from infra.cli.replay_market import Job
from infra.store.audit import AuditReport, verify
from infra.store.findings import Check
from infra.store.reading import Reader
from infra.store.views import OrderView

# Averages may have no end; amounts are never made from them.
_AVERAGE_STEP = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A round trip: from the first share bought to the last one sold.

    Attributes:
        gross: Sold less bought.
        net: Gross less the fees and taxes of both sides.
    """

    symbol: Symbol
    entry: date
    exit: date
    qty: Decimal
    entry_px: Decimal
    exit_px: Decimal
    gross: Decimal
    fees: Decimal
    taxes: Decimal
    net: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What is still held, at the last close of its symbol."""

    symbol: Symbol
    qty: Decimal
    avg_px: Decimal
    cost: Decimal
    last_px: Decimal
    unrealized: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What both sides say after a replay, as the store and the broker's own book hold it."""

    orders: tuple[OrderView, ...]
    fills: tuple[RecordedFill, ...]
    positions: tuple[Position, ...]
    daily: tuple[DailyPnl, ...]
    audit: AuditReport
    ledger: Ledger
    opening_cash: Decimal
    last_px: Mapping[Symbol, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Profit and loss of all symbols together; ``total`` is what the account is worth more."""

    realized_gross: Decimal
    fees: Decimal
    taxes: Decimal
    realized_net: Decimal
    unrealized: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that is shown of a replay; nothing in it differs between two runs."""

    job: Job
    books: Books
    checks: tuple[Check, ...]
    trades: tuple[Trade, ...]
    holdings: tuple[Holding, ...]
    totals: Totals
    statuses: Mapping[OrderStatus, int]


def report_of(job: Job, books: Books) -> Report:
    """Return what a replay came to."""
    return Report(
        job=job,
        books=books,
        checks=checks_of(books),
        trades=trades_of(books.fills),
        holdings=holdings_of(books),
        totals=totals_of(books),
        statuses=statuses_of(books),
    )


def read_books(reader: Reader, ledger: Ledger, job: Job) -> Books:
    """Read the engine's side from its store, and put the broker's ledger beside it."""
    with reader.snapshot():
        return Books(
            orders=reader.orders(),
            fills=reader.fills(),
            positions=reader.positions(),
            daily=reader.daily_pnl(),
            audit=verify(reader),
            ledger=ledger,
            opening_cash=job.cash,
            last_px=job.last_px,
        )


def trades_of(fills: Sequence[RecordedFill]) -> tuple[Trade, ...]:
    """Return the round trips that ended, in order of their end; nothing is ever sold short."""
    trades: list[Trade] = []
    legs: dict[Symbol, list[RecordedFill]] = {}
    for fill in fills:
        trip = legs.setdefault(fill.symbol, [])
        trip.append(fill)
        if sum(each.side.sign * each.last_qty for each in trip) == 0:
            trades.append(_trade(legs.pop(fill.symbol)))
    return tuple(trades)


def holdings_of(books: Books) -> tuple[Holding, ...]:
    """Return what is still held, by symbol."""
    return tuple(_holding(held, books.last_px[held.symbol]) for held in books.positions if held.qty)


def totals_of(books: Books) -> Totals:
    """Return the sums over all positions."""
    with exact():
        gross = sum((held.realized_gross for held in books.positions), ZERO)
        fees = sum((held.fees for held in books.positions), ZERO)
        taxes = sum((held.taxes for held in books.positions), ZERO)
        unrealized = sum((held.unrealized for held in holdings_of(books)), ZERO)
        net = gross - fees - taxes
        return Totals(
            realized_gross=gross,
            fees=fees,
            taxes=taxes,
            realized_net=net,
            unrealized=unrealized,
            total=net + unrealized,
        )


def statuses_of(books: Books) -> dict[OrderStatus, int]:
    """Return how many orders ended in which status; statuses without an order are left out."""
    counts = Counter(order.status for order in books.orders)
    return {status: counts[status] for status in OrderStatus if counts[status]}


def checks_of(books: Books) -> tuple[Check, ...]:
    """Compare the engine with the broker, and each with the arithmetic of money."""
    return (
        _check_orders(books),
        _check_ends(books),
        _check_fills(books),
        _check_positions(books),
        _check_cash(books),
        _check_worth(books),
        _check_audit(books),
    )


def _check_orders(books: Books) -> Check:
    """I1 and I2: one order at the broker for each of ours that it has taken, and no other."""
    ours = Counter(order.client_order_id for order in books.orders if order.broker_order_id)
    theirs = Counter(order.client_order_id for order in books.ledger.orders)
    is_same = ours == theirs and all(count == 1 for count in theirs.values())
    return Check("orders", is_same, f"{len(ours):,} ours, {theirs.total():,} at the broker")


def _check_ends(books: Books) -> Check:
    """I3: no order is left without an end."""
    late = [order.signal_id for order in books.orders if not order.status.is_terminal]
    detail = f"without an end: {', '.join(late)}" if late else f"all {len(books.orders):,} ended"
    return Check("ends", not late, detail)


def _check_fills(books: Books) -> Check:
    """I4: each execution once on both sides, with the same price and the same charges."""
    ours = sorted(map(_our_fill, books.fills))
    theirs = sorted(map(_their_fill, books.ledger.fills))
    detail = f"{len(ours):,} ours, {len(theirs):,} at the broker"
    over = [order.signal_id for order in books.orders if order.cum_qty > order.order_qty]
    if over:
        detail += f"; filled beyond their quantity: {', '.join(over)}"
    return Check("fills", ours == theirs and not over, detail)


def _check_positions(books: Books) -> Check:
    """I5: positions are the fold of the fills, and the broker holds the same."""
    ours = {held.symbol: held.qty for held in books.positions if held.qty}
    theirs = {held.symbol: held.qty for held in books.ledger.positions}
    folded: dict[Symbol, Decimal] = {}
    for fill in books.fills:
        folded[fill.symbol] = folded.get(fill.symbol, ZERO) + fill.side.sign * fill.last_qty
    folded = {symbol: qty for symbol, qty in folded.items() if qty}
    detail = f"{_quantities(ours)}; fills {_quantities(folded)}; broker {_quantities(theirs)}"
    is_same = ours == theirs == folded
    return Check("positions", is_same, _quantities(ours) if is_same else detail)


def _check_cash(books: Books) -> Check:
    """I6: opening cash - buys + sells - fees and taxes, from our fills, is the broker's cash."""
    with exact():
        cash = books.opening_cash
        for fill in books.fills:
            cash -= fill.side.sign * fill.last_qty * fill.last_px + fill.commission + fill.tax
    theirs = books.ledger.cash
    detail = f"{trim(cash):,f} from our fills, {trim(theirs):,f} at the broker"
    return Check("cash", cash == theirs, detail)


def _check_worth(books: Books) -> Check:
    """What the account is worth more than at the start is the P&L, by symbol and by day."""
    totals = totals_of(books)
    with exact():
        worth = books.ledger.cash + sum(
            (held.qty * books.last_px[held.symbol] for held in books.positions), ZERO
        )
        gain = worth - books.opening_cash
        daily = sum((day.net for day in books.daily), ZERO)
    is_same = gain == totals.total and daily == totals.realized_net
    detail = (
        f"worth {trim(gain):,f} more, P&L {trim(totals.total):,f}; "
        f"realized {trim(totals.realized_net):,f}, by day {trim(daily):,f}"
    )
    return Check("p&l", is_same, detail)


def _check_audit(books: Books) -> Check:
    """I7: the journal is whole, and all that is shown follows from it."""
    failed = [f"{check.name}: {check.detail}" for check in books.audit.checks if not check.ok]
    detail = f"{len(books.audit.checks):,} checks of {books.audit.seq:,} events"
    return Check("audit", books.audit.ok, "; ".join(failed) or detail)


def _trade(trip: Sequence[RecordedFill]) -> Trade:
    buys = [fill for fill in trip if fill.side is Side.BUY]
    sells = [fill for fill in trip if fill.side is Side.SELL]
    with exact():
        qty = sum((fill.last_qty for fill in buys), ZERO)
        bought, sold = _notional(buys), _notional(sells)
        fees = sum((fill.commission for fill in trip), ZERO)
        taxes = sum((fill.tax for fill in trip), ZERO)
        return Trade(
            symbol=trip[0].symbol,
            entry=trip[0].trade_date,
            exit=trip[-1].trade_date,
            qty=qty,
            entry_px=_average(bought, qty),
            exit_px=_average(sold, qty),
            gross=sold - bought,
            fees=fees,
            taxes=taxes,
            net=sold - bought - fees - taxes,
        )


def _holding(held: Position, last_px: Decimal) -> Holding:
    with exact():
        return Holding(
            symbol=held.symbol,
            qty=held.qty,
            avg_px=_average(held.cost, held.qty),
            cost=held.cost,
            last_px=last_px,
            unrealized=held.qty * last_px - held.cost,
        )


def _notional(fills: Sequence[RecordedFill]) -> Decimal:
    return sum((fill.last_qty * fill.last_px for fill in fills), ZERO)


def _average(amount: Decimal, qty: Decimal) -> Decimal:
    return round_half_even(amount / qty, _AVERAGE_STEP)


def _our_fill(fill: RecordedFill) -> tuple[object, ...]:
    key = (fill.trade_date, fill.broker_order_id, fill.exec_id, fill.client_order_id)
    what = (fill.symbol, fill.side, fill.last_qty, fill.last_px, fill.commission, fill.tax)
    return (*key, *what)


def _their_fill(fill: BrokerFill) -> tuple[object, ...]:
    key = (fill.trade_date, fill.broker_order_id, fill.exec_id, fill.client_order_id)
    what = (fill.symbol, fill.side, fill.last_qty, fill.last_px, fill.commission, fill.tax)
    return (*key, *what)


def _quantities(held: Mapping[Symbol, Decimal]) -> str:
    if not held:
        return "flat"
    return ", ".join(f"{symbol} {trim(held[symbol]):,f}" for symbol in sorted(held))
