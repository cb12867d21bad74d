"""When an exchange trades, and which calendar day a moment belongs to there."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo

from domain.errors import InvalidInputError

KST = timezone(timedelta(hours=9), "KST")

_ONE_DAY = timedelta(days=1)
_SATURDAY = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One exchange's regular hours, in its own time zone.

    Closed on weekends, 1 January, the last weekday of the year (KRX: 31 December, or the Friday
    before when that is a weekend) and ``holidays``. National holidays must be given; a late
    opening is not known here: the broker then says that it is closed.

    Attributes:
        always_open: Trades at every moment, on every day; for the demo.

    Raises:
        InvalidInputError: It closes before it opens.
    """

    name: str = "KRX"
    tz: tzinfo = KST
    opens: time = time(9, 0)
    closes: time = time(15, 30)
    always_open: bool = False
    holidays: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        if self.opens >= self.closes:
            raise InvalidInputError(
                field="closes", problem="give a closing time later than the opening time"
            )

    def trade_date(self, at: datetime) -> date:
        """Return the exchange's calendar day at that moment."""
        return self._local(at).date()

    def is_open(self, at: datetime) -> bool:
        """Return whether it trades at that moment; no longer at the closing time itself."""
        if self.always_open:
            return True
        local = self._local(at)
        return self.is_business_day(local.date()) and self.opens <= local.time() < self.closes

    def next_open(self, at: datetime) -> datetime:
        """Return the first moment, in UTC, at or after ``at`` when it trades."""
        if self.is_open(at):
            return at.astimezone(UTC)
        day = self.trade_date(at)
        while not self.is_business_day(day) or self._moment(day, self.opens) < at:
            day += _ONE_DAY
        return self._moment(day, self.opens)

    def close_of(self, day: date) -> datetime:
        """Return when it closes on that day, in UTC; when always open, the end of that day."""
        if self.always_open:
            return self._moment(day + _ONE_DAY, time.min)
        return self._moment(day, self.closes)

    def is_business_day(self, day: date) -> bool:
        """Return whether it trades on that day at all."""
        if self.always_open:
            return True
        is_weekend = day.weekday() >= _SATURDAY
        return not (is_weekend or _is_year_end(day) or day in self.holidays)

    def settlement_date(self, trade_date: date, days: int = 2) -> date:
        """Return the day on which a trade settles: ``days`` business days later (KRX: T+2)."""
        day = trade_date
        for _ in range(days):
            day += _ONE_DAY
            while not self.is_business_day(day):
                day += _ONE_DAY
        return day

    def _local(self, at: datetime) -> datetime:
        assert at.utcoffset() is not None, "times are aware; a naive one means the machine's zone"
        return at.astimezone(self.tz)

    def _moment(self, day: date, at: time) -> datetime:
        return datetime.combine(day, at, tzinfo=self.tz).astimezone(UTC)


def _is_year_end(day: date) -> bool:
    """1 January, or the last weekday of December."""
    following = day + _ONE_DAY
    while following.weekday() >= _SATURDAY:
        following += _ONE_DAY
    return (day.month, day.day) == (1, 1) or following.year > day.year


ALWAYS_OPEN = Session(name="ALWAYS_OPEN", always_open=True)
