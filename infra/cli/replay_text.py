"""What a replay shows: tables and sentences for a trader, JSON for a program."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from domain.money import exact
from domain.position import DailyPnl
from domain.terms import ZERO, Side, Symbol
from infra.cli.render import (
    Column,
    amount,
    counted,
    number,
    print_json,
    say,
    security,
    show_facts,
    show_table,
    signed,
)
from infra.cli.replay_result import Holding, Report, Trade
from infra.cli.replay_trader import STRATEGY
from infra.cli.source import program

_SHOWN: Final = 10
_HOW_DECIDED: Final = (
    "Signals are decided on the close of a bar and traded from the open of the next. A buy gets an "
    "equal part of the free cash and is sized at the upper price limit, which the broker blocks."
)
_HOW_FILLED: Final = (
    "Prices are taken as adjusted reference prices: a fill is the bar's price, rounded to the tick "
    "against the trader (a buy up, a sell down). Ours is at most a tenth of a bar's volume, spread "
    "over its open, high, low and close; what is not filled by the close of the session expires."
)

_BY_SYMBOL: Final = (
    Column(title="symbol"),
    Column(title="trades", is_number=True),
    Column(title="won", is_number=True, drop=2),
    Column(title="realized gross", is_number=True),
    Column(title="fees", is_number=True, drop=1),
    Column(title="taxes", is_number=True, drop=1),
    Column(title="realized net", is_number=True),
)
_HELD: Final = (
    Column(title="held at the end"),
    Column(title="qty", is_number=True),
    Column(title="avg px", is_number=True),
    Column(title="last px", is_number=True),
    Column(title="unrealized", is_number=True),
)
_TRADES: Final = (
    Column(title="trade"),
    Column(title="entry"),
    Column(title="exit"),
    Column(title="qty", is_number=True),
    Column(title="entry px", is_number=True, drop=2),
    Column(title="exit px", is_number=True, drop=2),
    Column(title="gross", is_number=True, drop=1),
    Column(title="fees", is_number=True, drop=3),
    Column(title="taxes", is_number=True, drop=3),
    Column(title="net", is_number=True),
)
_DAYS: Final = (
    Column(title="year"),
    Column(title="days with fills", is_number=True, drop=2),
    Column(title="realized gross", is_number=True),
    Column(title="fees", is_number=True, drop=1),
    Column(title="taxes", is_number=True, drop=1),
    Column(title="net", is_number=True),
)
_CHECKS: Final = (Column(title="check"), Column(title="result"), Column(title="detail", wraps=True))


def show(report: Report) -> None:
    """Print the result for a person."""
    say(_title(report), style="bold")
    say()
    _show_symbols(report)
    _show_holdings(report.holdings)
    _show_trades(report.trades)
    _show_years(report.books.daily)
    show_facts(_summary(report))
    say()
    rows = [(check.name, "ok" if check.ok else "FAIL", check.detail) for check in report.checks]
    show_table(_CHECKS, rows)
    say()
    for note in notes_of(report):
        say(note, style="dim")
    failed = sum(not check.ok for check in report.checks)
    if failed:
        say(
            f"FAILED: {failed:,} of {len(rows):,} checks; do not trust the result.",
            style="bold red",
        )
    else:
        say(f"All {len(rows):,} checks passed.", style="green")


def show_json(report: Report) -> None:
    """Print the result as JSON; two runs on the same prices print the same bytes."""
    job, books = report.job, report.books
    print_json(
        {
            "strategy": {"name": STRATEGY, "fast": job.start.fast, "slow": job.start.slow},
            "bars": _bars(report),
            "symbols": job.symbols,
            "period": dict(zip(("first", "last"), _period(report), strict=True)),
            "cash": {"opening": books.opening_cash, "closing": books.ledger.cash},
            "orders": {"total": len(books.orders), "by_status": report.statuses},
            "pnl": report.totals,
            "trades": report.trades,
            "positions": report.holdings,
            "daily": [_day(day) for day in books.daily],
            "checks": report.checks,
            "audit": {
                "ok": books.audit.ok,
                "head_seq": books.audit.seq,
                "head_hash": books.audit.head_hash,
            },
            "notes": notes_of(report),
        }
    )


def notes_of(report: Report) -> tuple[str, ...]:
    """Return what a reader of the result must know about how it came to be."""
    job = report.job
    notes = [
        _HOW_DECIDED,
        _HOW_FILLED,
    ]
    known = {instrument.symbol for instrument in job.settings.instruments.table}
    unknown = [symbol for symbol in job.symbols if symbol not in known]
    if unknown:
        notes.append(f"Not in the table, taken for KOSPI shares: {', '.join(unknown)}.")
    limit = job.settings.risk.max_order_qty
    buys = [order for order in report.books.orders if order.side is Side.BUY]
    cut = sum(order.order_qty == limit for order in buys)
    if limit is not None and cut:
        cuts = f"{counted(cut, 'buy')} cut to {number(limit)} shares"
        notes.append(f"{cuts}, the engine's limit for one order.")
    return (*notes, *_unseen(report))


def _unseen(report: Report) -> list[str]:
    """Bars that nothing could be traded on, and symbols that never had enough of them."""
    steps, slow = report.job.steps, report.job.start.slow
    closed = sum(len(step.bars) for step in steps if not step.is_open)
    still = sum(bar.volume == 0 for step in steps if step.is_open for bar in step.bars)
    notes = []
    if closed:
        hours = "outside the session's days and hours"
        notes.append(f"{counted(closed, 'bar')} {hours}: seen by the strategy, not traded.")
    if still:
        notes.append(f"{counted(still, 'bar')} without volume: seen by the strategy, not traded.")
    counts: dict[Symbol, int] = {}
    for step in steps:
        for bar in step.bars:
            counts[bar.symbol] = counts.get(bar.symbol, 0) + 1
    few = [symbol for symbol in report.job.symbols if counts[symbol] <= slow]
    if few:
        notes.append(f"Too few bars to trade ({slow + 1} needed): {', '.join(few)}.")
    return notes


def _title(report: Report) -> str:
    first, last = _period(report)
    start = report.job.start
    symbols = counted(len(report.job.symbols), "symbol")
    return (
        f"{STRATEGY} {start.fast}/{start.slow} on {counted(_bars(report), 'bar')} of {symbols}, "
        f"{first} to {last}"
    )


def _summary(report: Report) -> dict[str, str]:
    totals, books = report.totals, report.books
    statuses = ", ".join(f"{count:,} {status}" for status, count in report.statuses.items())
    parts = f"{signed(totals.realized_net)} realized, {signed(totals.unrealized)} unrealized"
    with exact():
        percent = totals.total * 100 / books.opening_cash
    return {
        "orders": f"{len(books.orders):,}" + (f": {statuses}" if statuses else ""),
        "profit and loss": f"{signed(totals.total)} ({signed(percent)} %): {parts}",
        "cash": f"{amount(books.opening_cash)} before, {amount(books.ledger.cash)} after",
        "journal": f"{books.audit.seq:,} events, head {books.audit.head_hash}",
        "all days": f"`{program()} pnl`, or --json; all orders: `{program()} orders`",
    }


def _show_symbols(report: Report) -> None:
    rows = []
    for held in report.books.positions:
        trades = [trade for trade in report.trades if trade.symbol == held.symbol]
        rows.append(
            (
                security(held.symbol),
                number(len(trades)),
                number(sum(trade.net > 0 for trade in trades)),
                signed(held.realized_gross),
                amount(held.fees),
                amount(held.taxes),
                signed(held.realized_net),
            )
        )
    if rows:
        totals, won = report.totals, sum(trade.net > 0 for trade in report.trades)
        rows.append(
            (
                "total",
                number(len(report.trades)),
                number(won),
                signed(totals.realized_gross),
                amount(totals.fees),
                amount(totals.taxes),
                signed(totals.realized_net),
            )
        )
        show_table(_BY_SYMBOL, rows)
        say()


def _show_holdings(holdings: Sequence[Holding]) -> None:
    if holdings:
        rows = [
            (
                security(held.symbol),
                number(held.qty),
                amount(held.avg_px),
                number(held.last_px),
                signed(held.unrealized),
            )
            for held in holdings
        ]
        show_table(_HELD, rows)
        say()


def _show_trades(trades: Sequence[Trade]) -> None:
    if not trades:
        say("No position was opened and closed again.")
        say()
        return
    if len(trades) > _SHOWN:
        say(f"The latest {_SHOWN} of {len(trades):,} trades (--json has all):")
    rows = [
        (
            security(trade.symbol),
            str(trade.entry),
            str(trade.exit),
            number(trade.qty),
            amount(trade.entry_px),
            amount(trade.exit_px),
            signed(trade.gross),
            amount(trade.fees),
            amount(trade.taxes),
            signed(trade.net),
        )
        for trade in trades[-_SHOWN:]
    ]
    show_table(_TRADES, rows)
    say()


def _show_years(days: Sequence[DailyPnl]) -> None:
    years = sorted({day.day.year for day in days})
    rows = [_year(year, [day for day in days if day.day.year == year]) for year in years]
    if rows:
        show_table(_DAYS, rows)
        say()


def _year(year: int, days: Sequence[DailyPnl]) -> tuple[str, ...]:
    def total(parts: Sequence[Decimal]) -> Decimal:
        with exact():
            return sum(parts, ZERO)

    return (
        str(year),
        number(len(days)),
        signed(total([day.realized_gross for day in days])),
        amount(total([day.fees for day in days])),
        amount(total([day.taxes for day in days])),
        signed(total([day.net for day in days])),
    )


def _day(day: DailyPnl) -> dict[str, object]:
    return {
        "day": day.day,
        "realized_gross": day.realized_gross,
        "fees": day.fees,
        "taxes": day.taxes,
        "net": day.net,
    }


def _bars(report: Report) -> int:
    return sum(len(step.bars) for step in report.job.steps)


def _period(report: Report) -> tuple[date, date]:
    # Bars carry the exchange's own time.
    return report.job.steps[0].at.date(), report.job.steps[-1].at.date()
