"""The curve of a day's result, drawn as SVG."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Final

from domain.session import KST, Session
from domain.terms import ZERO
from infra.cli.render import signed
from infra.cli.report_sums import Point

_WIDTH, _HEIGHT = 960, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 104, 12, 12, 28
_LINE: Final = 14
_HOUR: Final = timedelta(hours=1)
_MOST_HOURS: Final = 12
_SESSION: Final = Session()


def curve(points: Sequence[Point]) -> str:
    """Return the drawing: steps, because a result stands until the next execution."""
    start, end = _span(points)
    low = min(ZERO, *(point.net for point in points))
    high = max(ZERO, *(point.net for point in points))
    if low == high:
        low, high = Decimal(-1), Decimal(1)

    def x_of(at: datetime) -> float:
        share = (at - start) / (end - start)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y_of(net: Decimal) -> float:
        share = float((high - net) / (high - low))
        return _TOP + share * (_HEIGHT - _TOP - _BOTTOM)

    steps = [(x_of(point.at), y_of(point.net)) for point in points]
    path = f"M{x_of(start):.1f} {y_of(ZERO):.1f}" + "".join(
        f"H{x:.1f}V{y:.1f}" for x, y in _thinned(steps)
    )
    zero = y_of(ZERO)
    # One line of text is as high as that: two would stand in each other.
    far = [level for level in (low, high) if abs(y_of(level) - zero) > _LINE]
    levels = {level: y_of(level) for level in (ZERO, *far)}
    hours = {at: x_of(at) for at in _hours(start, end)}
    said = f"Realized net from 0 to {signed(points[-1].net)}, lowest {signed(low)}"
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"><title>{said}</title>\n'
        f"{_levels(levels)}{_times(hours)}"
        f'<path class="curve" d="{path}H{x_of(max(points[-1].at, start)):.1f}"/>\n</svg>'
    )


def _span(points: Sequence[Point]) -> tuple[datetime, datetime]:
    """The regular hours, and what lies outside of them."""
    day = points[0].at.astimezone(KST).date()
    opens = datetime.combine(day, _SESSION.opens, tzinfo=KST)
    closes = datetime.combine(day, _SESSION.closes, tzinfo=KST)
    return min(opens, points[0].at), max(closes, points[-1].at)


def _thinned(steps: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Keep the lowest, the highest and the last step of each unit of width."""
    columns: dict[int, list[tuple[float, float]]] = {}
    for step in steps:
        columns.setdefault(round(step[0]), []).append(step)
    kept = []
    for column in columns.values():
        ys = [y for _, y in column]
        chosen = {ys.index(min(ys)), ys.index(max(ys)), len(ys) - 1}
        kept += [column[index] for index in sorted(chosen)]
    return kept


def _hours(start: datetime, end: datetime) -> list[datetime]:
    local = start.astimezone(KST)
    first = datetime.combine(local.date(), time(local.hour), tzinfo=KST)
    count = int((end - first) / _HOUR) + 1
    every = -(-count // _MOST_HOURS)
    hours = (first + _HOUR * number for number in range(0, count, every))
    return [at for at in hours if start <= at <= end]


def _levels(levels: dict[Decimal, float]) -> str:
    return "".join(
        f'<line class="{"grid" if level else "zero"}" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" '
        f'y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{signed(level)}</text>\n'
        for level, y in levels.items()
    )


def _times(hours: dict[datetime, float]) -> str:
    return "".join(
        f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
        f'<text x="{x:.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{at:%H:%M}</text>\n'
        for at, x in hours.items()
    )
