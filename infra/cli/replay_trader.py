"""Trades bars on an engine as a runner would: through its doors, knowing only its own events."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from domain.crossover import Wish, affordable_qty, decide, observe
from domain.errors import OncefillError
from domain.events import Filled, OrderCreated
from domain.journal import Record
from domain.money import exact, round_down
from domain.session import Session
from domain.settings import Settings
from domain.signal import Signal
from domain.terms import ZERO, Side, SignalId, StrategyId, Symbol
from infra.brokers.paper import PaperMarket
from infra.cli.parts import RunningEngine, VirtualTime
from infra.cli.replay_market import Job, Step, quotes_of
from infra.feeds.bars import Bar

STRATEGY: Final = StrategyId("crossover")

_ENDS = frozenset(
    {"order.filled", "order.cancelled", "order.expired", "order.rejected", "order.failed"}
)
# Virtual time: a commit takes milliseconds, and the broker tells the end of a day at once.
_RECEIPT_S = 60.0
_AFTER_CLOSE_S = 600.0


class OwnBook:
    """What a runner knows of its own orders, from receipts and the engine's events alone.

    Attributes:
        cash: Opening cash, less buys, plus sells, less fees and taxes.
        held: Shares by symbol.
        working: The signals of the orders that have not ended, by stream.
    """

    def __init__(self, cash: Decimal) -> None:
        self.cash = cash
        self.held: dict[Symbol, Decimal] = {}
        self.working: dict[str, Signal] = {}
        self._signals: dict[str, Signal] = {}

    def on_told(self, client_order_id: str, signal: Signal) -> None:
        """Count an order as working until its end is heard; its events may have come before."""
        self._begin(f"order/{client_order_id}", signal)

    def on_record(self, record: Record) -> None:
        """Take one event of the engine."""
        match record.event:
            case OrderCreated(signal=signal):
                self._begin(record.stream, signal)
            case Filled():
                self._fill(self._signals[record.stream], record.event)
            case _:
                pass  # The topics say what else matters: whether the order has ended.
        if _ENDS.intersection(record.topics):
            self.working.pop(record.stream, None)

    def _begin(self, stream: str, signal: Signal) -> None:
        if stream not in self._signals:
            self._signals[stream] = self.working[stream] = signal

    def _fill(self, signal: Signal, fill: Filled) -> None:
        with exact():
            paid = signal.side.sign * fill.last_qty * fill.last_px
            self.cash -= paid + fill.commission + fill.tax
            held = self.held.get(signal.symbol, ZERO)
            self.held[signal.symbol] = held + signal.side.sign * fill.last_qty


@dataclass(frozen=True, slots=True)
class _Plan:
    """A wish for a symbol's next bar; ``cash`` is what a buy may take."""

    wish: Wish
    signal_id: SignalId
    cash: Decimal


class Trader:
    """One strategy over all symbols: decides on the close of a bar, trades on the next."""

    def __init__(
        self, engine: RunningEngine, time: VirtualTime, market: PaperMarket, job: Job
    ) -> None:
        self.book = OwnBook(job.cash)
        self._engine = engine
        self._time = time
        self._market = market
        self._known = dict.fromkeys(job.symbols, job.start)
        self._plans: dict[Symbol, _Plan] = {}
        self._claims: dict[SignalId, Decimal] = {}
        self._last_px: dict[Symbol, Decimal] = {}
        self._base_px: dict[Symbol, Decimal] = {}
        engine.subscribe(self.book.on_record, name="replay")

    def play(self, step: Step) -> None:
        """Trade what was decided before, through the bars of this step; then decide again."""
        if step.is_open:
            self._trade(step)
        for bar in step.bars:
            self._last_px[bar.symbol] = bar.close
            self._known[bar.symbol] = observe(self._known[bar.symbol], bar.close)
            self._plans.pop(bar.symbol, None)
        self._plans.update(self._decide(step))
        if step.is_last:
            self._base_px.update(self._last_px)

    def _trade(self, step: Step) -> None:
        self._time.run_until(step.at)
        told = False
        for quotes in quotes_of(step, self._base_px):
            for quote in quotes:
                self._time.run_until(quote.at)
                self._market.push(quote)
            if not told:
                # The first quote is the open: an order told right after it trades there.
                self._tell(step)
                told = True
        self._time.run_until(step.ends_at)
        if step.is_last:
            self._await_end(step.ends_at)

    def _tell(self, step: Step) -> None:
        """Tell the engine what was decided at the last close: sells first, they free cash."""
        traded = [bar.symbol for bar in step.bars if bar.volume > 0 and bar.symbol in self._plans]
        plans = [(symbol, self._plans.pop(symbol)) for symbol in traded]
        plans.sort(key=lambda plan: plan[1].wish.side is Side.BUY)
        asked = []
        for symbol, plan in plans:
            self._claims[plan.signal_id] = plan.cash
            signal = self._signal(symbol, plan)
            asked.append((signal, self._engine.ask(signal)))
        is_durable = self._wait(lambda: all(future.done() for _, future in asked), _RECEIPT_S)
        if not is_durable:
            msg = "The engine gave no receipt for a signal; run doctor and audit verify."
            raise OncefillError(msg)
        for signal, future in asked:
            self.book.on_told(future.result().client_order_id, signal)

    def _await_end(self, closes_at: datetime) -> None:
        """Let the day's orders end: what was not filled expires at the close."""
        if not self._wait(lambda: not self.book.working, _AFTER_CLOSE_S):
            late = ", ".join(signal.signal_id for signal in self.book.working.values())
            msg = f"Orders have not ended after the close of {closes_at:%Y-%m-%d}: {late}."
            raise OncefillError(msg)

    def _wait(self, until: Callable[[], bool], within_s: float) -> bool:
        return self._time.run_until(until, within_s=within_s)

    def _decide(self, step: Step) -> dict[Symbol, _Plan]:
        """Return the plans for the next bar of each symbol that has just closed one."""
        busy = {signal.symbol for signal in self.book.working.values()}
        share = self._share(busy)
        plans = {}
        for bar in step.bars:
            wish = decide(
                self._known[bar.symbol],
                held_qty=self.book.held.get(bar.symbol, ZERO),
                affordable_qty=self._affordable(bar, share),
            )
            if wish is not None and bar.symbol not in busy:
                cash = share if wish.side is Side.BUY else ZERO
                plans[bar.symbol] = _Plan(wish, _signal_id(bar, wish, self._session), cash)
        return plans

    def _share(self, busy: set[Symbol]) -> Decimal:
        """Return the free cash for each symbol that may be bought: neither held nor claimed."""
        claims = [self._claims[signal.signal_id] for signal in self.book.working.values()]
        claims += [plan.cash for plan in self._plans.values()]
        taken = busy.union(self._plans, (name for name, qty in self.book.held.items() if qty))
        flat = len(self._known) - len(taken)
        with exact():
            free = max(self.book.cash - sum(claims), ZERO)
            # To the won: a division may have no end.
            return free // flat if flat else ZERO

    def _affordable(self, bar: Bar, share: Decimal) -> Decimal:
        """Return whole lots at the upper price limit: a KRX broker blocks that for a market buy."""
        instrument = self._settings.instruments.get(bar.symbol)
        fees, limit = self._settings.fees, self._settings.risk.max_order_qty
        with exact():
            highest_px = bar.close * (1 + (instrument.price_limit or ZERO))
        qty = affordable_qty(
            cash=share,
            highest_px=highest_px,
            fee_rate=fees.etf_commission_rate if instrument.is_etf else fees.commission_rate,
            lot=instrument.lot,
        )
        return qty if limit is None else min(qty, round_down(limit, instrument.lot))

    def _signal(self, symbol: Symbol, plan: _Plan) -> Signal:
        return Signal(
            signal_id=plan.signal_id,
            account_id=self._settings.account_id,
            symbol=symbol,
            side=plan.wish.side,
            order_qty=plan.wish.order_qty,
            strategy_id=STRATEGY,
        )

    @property
    def _settings(self) -> Settings:
        return self._engine.settings

    @property
    def _session(self) -> Session:
        return self._engine.settings.session


def _signal_id(bar: Bar, wish: Wish, session: Session) -> SignalId:
    """The same for the same decision in every run: strategy, symbol, the bar decided on, side."""
    at = bar.at.astimezone(session.tz)
    when = f"{at:%Y-%m-%d}" if bar.is_daily else f"{at:%Y-%m-%dT%H:%M:%S}"
    return SignalId(f"{STRATEGY}:{bar.symbol}:{when}:{wish.side}")
