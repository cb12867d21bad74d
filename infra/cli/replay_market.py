"""How bars become a market: which quotes a bar is played as, and when."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from operator import attrgetter

from domain.crossover import Crossover
from domain.session import Session
from domain.settings import Settings
from domain.terms import Symbol
from infra.brokers.paper import Quote
from infra.feeds.bars import Bar

# Each with a quarter of the volume, at these minutes of a day's 390: 09:00, 11:00, 13:00 and
# 15:20. Shorter bars are played at the same parts of their span.
_PLAYED = {"open": 0, "high": 120, "low": 240, "close": 380}
_MINUTES = 390
_SHARE = Decimal("0.25")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The bars that begin at one moment.

    Attributes:
        ends_at: When the next bars begin, or the session closes.
        is_open: The exchange trades then; otherwise the prices are seen and nothing is traded.
        is_last: Of its trade date.
    """

    at: datetime
    ends_at: datetime
    bars: tuple[Bar, ...]
    is_open: bool
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is replayed: the market, the strategy before its first bar, and the account."""

    steps: tuple[Step, ...]
    start: Crossover
    cash: Decimal
    settings: Settings

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        """Return the symbols with a bar."""
        return tuple(sorted({bar.symbol for step in self.steps for bar in step.bars}))

    @property
    def last_px(self) -> dict[Symbol, Decimal]:
        """Return the last close of each symbol."""
        return {bar.symbol: bar.close for step in self.steps for bar in step.bars}


def steps_of(bars: Sequence[Bar], session: Session) -> tuple[Step, ...]:
    """Return the bars in steps; ``bars`` are sorted by time."""
    groups = [(at, tuple(group)) for at, group in groupby(bars, key=attrgetter("at"))]
    following = [at for at, _ in groups[1:]]
    return tuple(
        _step(at, group, then, session)
        for (at, group), then in zip(groups, [*following, None], strict=True)
    )


def quotes_of(step: Step, base_px: Mapping[Symbol, Decimal]) -> Iterator[tuple[Quote, ...]]:
    """Yield what is pushed at each moment of a step, for the symbols that were traded.

    Args:
        step: Of a moment when the exchange trades.
        base_px: The close of the day before, for the price limits; a first bar has none and
            takes its own open.
    """
    span = step.ends_at - step.at
    for name, minute in _PLAYED.items():
        at = step.at + span * minute / _MINUTES
        yield tuple(
            Quote(
                symbol=bar.symbol,
                last_px=getattr(bar, name),
                base_px=base_px.get(bar.symbol, bar.open),
                volume=bar.volume * _SHARE,
                at=at,
            )
            for bar in step.bars
            if bar.volume > 0
        )


def _step(at: datetime, bars: tuple[Bar, ...], then: datetime | None, session: Session) -> Step:
    day = session.trade_date(at)
    closes_at = session.close_of(day)
    return Step(
        at=at,
        ends_at=closes_at if then is None else min(then, closes_at),
        bars=bars,
        is_open=session.is_open(at),
        is_last=then is None or session.trade_date(then) != day,
    )
