"""The market that the paper broker trades on: the last quotes, pushed from outside."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from threading import Lock

from domain.errors import InvalidInputError
from domain.instrument import Instruments, price_band, round_to_tick, tick_size
from domain.money import exact, round_down
from domain.ports import Clock, Scheduler, TimerHandle
from domain.session import Session
from domain.terms import ZERO, Side, Symbol
from infra.brokers.paper.dice import dice


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """One print of the market, or one bar.

    Attributes:
        last_px: Reference price; it need not be on a tick (adjusted prices are not).
        base_px: Regular close of the day before: the price limits count from it.
        volume: Shares traded since the quote before this one.

    Raises:
        InvalidInputError: A price that is not above zero, or a negative volume.
    """

    symbol: Symbol
    last_px: Decimal
    base_px: Decimal
    volume: Decimal
    at: datetime

    def __post_init__(self) -> None:
        for name, px in (("last_px", self.last_px), ("base_px", self.base_px)):
            if not (px.is_finite() and px > 0):
                raise InvalidInputError(name, "give a price above zero")
        if not (self.volume.is_finite() and self.volume >= 0):
            raise InvalidInputError("volume", "give a volume of zero or more")


class PaperMarket:
    """The last quote of each symbol, and what is left of its volume for our orders; thread-safe."""

    def __init__(self, instruments: Instruments, participation: Decimal) -> None:
        self._instruments = instruments
        self._participation = participation
        self._quotes: dict[Symbol, Quote] = {}
        self._available: dict[Symbol, Decimal] = {}
        self._halted: set[Symbol] = set()
        self._listener: Callable[[Quote], None] | None = None
        self._lock = Lock()

    def listen(self, listener: Callable[[Quote], None] | None) -> None:
        """Tell ``listener`` every quote after it is in place: the broker matches on it."""
        self._listener = listener

    def push(self, quote: Quote) -> None:
        """Put a new quote in place of the symbol's last one, and trade on it.

        Raises:
            InvalidInputError: The symbol is unknown and there is no default instrument.
        """
        lot = self._instruments.get(quote.symbol).lot
        with exact():
            available = round_down(quote.volume * self._participation, lot)
        with self._lock:
            self._quotes[quote.symbol] = quote
            self._available[quote.symbol] = available
        if self._listener is not None:
            self._listener(quote)

    def quote(self, symbol: Symbol) -> Quote | None:
        """Return the last quote, or None before the first."""
        return self._quotes.get(symbol)

    def available(self, symbol: Symbol) -> Decimal:
        """Return the quantity that our orders may still take of the last quote's volume."""
        with self._lock:
            return ZERO if symbol in self._halted else self._available.get(symbol, ZERO)

    def take(self, symbol: Symbol, qty: Decimal) -> None:
        """Use up volume."""
        with self._lock:
            self._available[symbol] -= qty

    def halt(self, symbol: Symbol) -> None:
        """Stop trading in a symbol: new orders are refused, resting ones wait."""
        with self._lock:
            self._halted.add(symbol)

    def resume(self, symbol: Symbol) -> None:
        """Trade in a symbol again, from the next quote on for resting orders."""
        with self._lock:
            self._halted.discard(symbol)

    def is_halted(self, symbol: Symbol) -> bool:
        """Return whether trading in a symbol is stopped."""
        return symbol in self._halted


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """How a seeded market moves.

    Attributes:
        interval_s: Time between two quotes of a symbol.
        max_ticks: The most ticks that one quote moves, either way.
        volume: Smallest and largest volume of a quote, in shares.
    """

    interval_s: float = 0.25
    max_ticks: int = 2
    volume: tuple[int, int] = (200, 4_000)


class SeededMarket:
    """A feed: a random walk in whole ticks inside the price limits, the same for the same seed."""

    def __init__(
        self,
        market: PaperMarket,
        *,
        opening: Mapping[Symbol, Decimal],
        instruments: Instruments,
        session: Session,
        clock: Clock,
        scheduler: Scheduler,
        seed: int,
        walk: Walk | None = None,
    ) -> None:
        self._market = market
        self._opening = opening
        self._instruments = instruments
        self._session = session
        self._clock = clock
        self._scheduler = scheduler
        self._walk = walk or Walk()
        self._random = dice(seed, "market")
        self._timer: TimerHandle | None = None
        self._is_on = False

    def start(self) -> None:
        """Open with the opening prices, and move from then on."""
        self._is_on = True
        for symbol, px in self._opening.items():
            self._market.push(self._first(symbol, px))
        self._wait()

    def stop(self) -> None:
        """Stop moving."""
        self._is_on = False
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self) -> None:
        """Wait one interval, or for the next opening: nothing moves while the market is closed."""
        now = self._clock.now()
        closed_s = (self._session.next_open(now) - now).total_seconds()
        wait_s = max(self._walk.interval_s, closed_s)
        self._timer = self._scheduler.call_later(wait_s, self._step)

    def _step(self) -> None:
        if not self._is_on:
            return
        if self._session.is_open(self._clock.now()):
            for symbol in self._opening:
                self._move(symbol)
        self._wait()

    def _first(self, symbol: Symbol, px: Decimal) -> Quote:
        now = self._clock.now()
        volume = Decimal(self._random.randint(*self._walk.volume))
        return Quote(symbol=symbol, last_px=px, base_px=px, volume=volume, at=now)

    def _move(self, symbol: Symbol) -> None:
        last = self._market.quote(symbol)
        assert last is not None, "start() pushed the first quote"
        now = self._clock.now()
        on = self._session.trade_date(now)
        is_new_day = on != self._session.trade_date(last.at)
        base_px = last.last_px if is_new_day else last.base_px
        self._market.push(
            replace(
                last,
                last_px=self._moved(last, base_px, on),
                base_px=base_px,
                volume=Decimal(self._random.randint(*self._walk.volume)),
                at=now,
            )
        )

    def _moved(self, last: Quote, base_px: Decimal, on: date) -> Decimal:
        instrument = self._instruments.get(last.symbol)
        ticks = self._random.randint(-self._walk.max_ticks, self._walk.max_ticks)
        px = last.last_px + ticks * tick_size(instrument, last.last_px, on)
        lowest, highest = price_band(instrument, base_px, on)
        px = min(max(px, lowest), highest)
        return round_to_tick(instrument, px, on, Side.BUY if ticks > 0 else Side.SELL)
