"""The blotter on a terminal: orders, positions and the tape, redrawn as the journal grows.

``draw`` makes a picture of one frame and touches nothing; ``LiveBlotter`` shows frames. Amounts
carry a sign and no colour: red is a gain in Seoul.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal
from types import TracebackType
from typing import Final, Self

from rich import box
from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from domain.money import exact
from domain.ports import Clock
from domain.session import Session
from domain.terms import ZERO, AccountId, OrderStatus
from infra.screens.feed import Feed
from infra.screens.model import BlotterModel, Marks, OrderRow, PositionRow, TapeLine
from infra.screens.words import money, number

REFRESHES_PER_S: Final = 8

_HEAD_LINES: Final = 3
_BOTTOM_LINES: Final = 12
_BORDER_LINES: Final = 2
_SMALLEST_ORDER_PART: Final = 8
_BAR_CELLS: Final = 5
_WIDE: Final = 112
_GAP: Final = 1
_NOTE_LINES: Final = 2
_NOTE_LEAST: Final = 10
# Title, least width, whether it is a number; wide enough that they seldom move.
_COLUMNS: Final = (
    ("time", 8, False),
    ("symbol", 17, False),
    ("side", 4, False),
    ("type", 13, False),
    ("qty", 5, True),
    ("filled", 6, True),
    ("", _BAR_CELLS, False),
    ("avg px", 10, True),
    ("status", 9, False),
)
_NARROW_COLUMNS: Final = tuple(
    (title, 6 if title == "symbol" else least, is_number)
    for title, least, is_number in _COLUMNS
    if title not in ("", "avg px")
)
_NO_VALUE: Final = "-"

_STYLES: Final[Mapping[OrderStatus, str]] = {
    OrderStatus.PENDING: "yellow",
    OrderStatus.SUBMITTED: "cyan",
    OrderStatus.IN_DOUBT: "black on yellow",
    OrderStatus.PARTIAL: "bold cyan",
    OrderStatus.FILLED: "green",
    OrderStatus.CANCELLED: "dim",
    OrderStatus.EXPIRED: "dim",
    OrderStatus.REJECTED: "red",
    OrderStatus.FAILED: "bold red",
}
_WITHOUT_EFFECT: Final = frozenset({OrderStatus.CANCELLED, OrderStatus.EXPIRED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What stays the same while a blotter is on."""

    account_id: AccountId
    session: Session
    is_live: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """All that one picture shows.

    Attributes:
        caption: A line about what is going on; may be empty.
        rows: Newest first; as many are drawn as fit.
    """

    heading: Heading
    at: datetime
    caption: str
    day_net: Decimal
    counts: Mapping[OrderStatus, int]
    rows: Sequence[OrderRow]
    positions: Sequence[PositionRow]
    tape: Sequence[TapeLine]


def frame_of(
    model: BlotterModel, heading: Heading, *, at: datetime, marks: Marks, caption: str = ""
) -> Frame:
    """Return the picture's content, from a model that nobody changes meanwhile."""
    return Frame(
        heading=heading,
        at=at,
        caption=caption,
        day_net=model.day_net(heading.session.trade_date(at)),
        counts=model.counts(),
        rows=model.rows(100),
        positions=model.positions(marks),
        tape=model.tape(_BOTTOM_LINES),
    )


def draw(frame: Frame, console: Console) -> RenderableType:
    """Return the picture of a frame, as large as the console."""
    width, height = console.size
    below = _BOTTOM_LINES if height >= _HEAD_LINES + _SMALLEST_ORDER_PART + _BOTTOM_LINES else 0
    layout = Layout()
    orders = _draw_orders(frame, console, height - _HEAD_LINES - below)
    parts = [Layout(_draw_heading(frame), size=_HEAD_LINES), Layout(orders)]
    if below:
        positions, tape = (
            Layout(_draw_positions(frame, is_wide=width >= _WIDE), size=_positions_width(width)),
            Layout(),
        )
        tape.update(_draw_tape(frame, below - _BORDER_LINES))
        bottom = Layout(size=below)
        bottom.split_row(positions, tape)
        parts.append(bottom)
    layout.split_column(*parts)
    return layout


class LiveBlotter:
    """Shows a feed on the terminal, from entering until leaving."""

    def __init__(
        self, feed: Feed, heading: Heading, *, clock: Clock, marks: Marks, console: Console
    ) -> None:
        self.caption = ""
        self._feed = feed
        self._heading = heading
        self._clock = clock
        self._marks = marks
        self._console = console
        # On the terminal's second screen: what was there before comes back at the end.
        self._live = Live(
            get_renderable=self._picture,
            console=console,
            screen=True,
            refresh_per_second=REFRESHES_PER_S,
        )

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def _picture(self) -> RenderableType:
        at, caption = self._clock.now(), self.caption
        frame = self._feed.read(
            lambda model: frame_of(model, self._heading, at=at, marks=self._marks, caption=caption)
        )
        return draw(frame, self._console)


def tape_text(line: TapeLine, zone: tzinfo) -> str:
    """Return a line of the tape as plain text: time, order, its status, what happened."""
    status = "" if line.status is None else line.status.value
    about = " ".join(filter(None, (line.side, line.symbol, line.name)))
    what = f"{about}: {line.text}" if about else line.text
    return f"{line.at.astimezone(zone):%H:%M:%S}  {status:<9}  {what}"


def _draw_heading(frame: Frame) -> RenderableType:
    heading = frame.heading
    badge = (
        Text(" LIVE ", "bold white on red")
        if heading.is_live
        else Text(" PAPER ", "bold black on bright_yellow")
    )
    zone = heading.session.tz
    with exact():
        unrealized = sum((row.unrealized or ZERO for row in frame.positions), ZERO)
    working = sum(n for status, n in frame.counts.items() if not status.is_terminal)
    facts = (
        f"{frame.at.astimezone(zone):%H:%M:%S} {zone.tzname(frame.at)}",
        f"day P&L {money(frame.day_net)} after fees",
        f"open P&L {money(unrealized)}",
        f"orders {sum(frame.counts.values()):,}, {working:,} open",
        f"account {heading.account_id}",
    )
    title = Text.assemble(badge, ("  Oncefill  ", "bold"), "  ".join(facts))
    title.no_wrap, title.overflow = True, "ellipsis"
    caption = Text(frame.caption, "bold cyan", no_wrap=True, overflow="ellipsis")
    return Group(title, caption)


def _draw_orders(frame: Frame, console: Console, lines: int) -> RenderableType:
    is_wide = console.width >= _WIDE
    zone = frame.heading.session.tz
    rows = [_cells(row, zone, is_wide=is_wide) for row in frame.rows]
    columns = _COLUMNS if is_wide else _NARROW_COLUMNS
    widths = [
        max(least, *(cells[index].cell_len for cells in rows)) if rows else least
        for index, (_, least, _) in enumerate(columns)
    ]
    note_width = max(_NOTE_LEAST, console.width - sum(widths) - _GAP * len(widths))
    table = _empty_table(columns, widths, note_width)
    room = lines - 2  # The titles and the line under them.
    for row, cells in zip(frame.rows, rows, strict=True):
        note = Text(row.note, _note_style(row)).wrap(console, note_width)[:_NOTE_LINES]
        room -= max(1, len(note))
        if room < 0:
            break
        table.add_row(*cells, Text("\n").join(note))
    return table if rows else Group(table, Text("no orders yet", "dim"))


def _empty_table(
    columns: Sequence[tuple[str, int, bool]], widths: Sequence[int], note_width: int
) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    for (title, _, is_number), width in zip(columns, widths, strict=True):
        table.add_column(title, width=width, justify="right" if is_number else "left", no_wrap=True)
    table.add_column("why, what next", width=note_width)
    return table


def _cells(row: OrderRow, zone: tzinfo, *, is_wide: bool) -> list[Text]:
    style = "dim" if row.status in _WITHOUT_EFFECT else ""
    cells = [
        Text(f"{row.created_at.astimezone(zone):%H:%M:%S}", style),
        Text(f"{row.symbol} {row.name}".rstrip() if is_wide else row.symbol, style),
        Text(row.side, style),
        Text(row.terms, style),
        Text(number(row.order_qty), style),
        Text(number(row.cum_qty), style),
    ]
    if is_wide:
        cells += [_bar(row), Text(_value(row.avg_px), style)]
    return [*cells, Text(row.status, _STYLES[row.status])]


def _note_style(row: OrderRow) -> str:
    if not row.status.is_terminal:
        return "bold"
    return "dim" if row.status in _WITHOUT_EFFECT else ""


def _bar(row: OrderRow) -> Text:
    """How much of the order is filled; a part is never drawn as nothing, nor as all."""
    full = int(row.cum_qty * _BAR_CELLS / row.order_qty)
    if row.cum_qty:
        full = min(max(full, 1), _BAR_CELLS)
    if row.cum_qty < row.order_qty:
        full = min(full, _BAR_CELLS - 1)
    return Text.assemble(("━" * full, "green"), ("━" * (_BAR_CELLS - full), "bright_black"))


def _positions_width(width: int) -> int:
    return min(64, width * 52 // 100)


def _draw_positions(frame: Frame, *, is_wide: bool) -> RenderableType:
    table = Table(box=None, pad_edge=False, expand=True, padding=(0, 1, 0, 0))
    table.add_column("symbol", no_wrap=True, overflow="ellipsis", ratio=1, min_width=6)
    prices = ("avg px", "last") if is_wide else ()
    for title in ("qty", *prices, "open P&L", "realized"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in frame.positions:
        table.add_row(
            f"{row.symbol} {row.name}".rstrip() if is_wide else row.symbol,
            number(row.qty),
            *map(_value, (row.avg_px, row.last_px) if is_wide else ()),
            *map(_profit, (row.unrealized, row.realized_net)),
            style="" if row.qty else "dim",
        )
    return Panel(table, title="positions", title_align="left", border_style="bright_black")


def _draw_tape(frame: Frame, lines: int) -> RenderableType:
    zone = frame.heading.session.tz
    tape = Text(no_wrap=True, overflow="ellipsis")
    for line in frame.tape[-lines:]:
        tape.append(f"{line.at.astimezone(zone):%H:%M:%S} ", "dim")
        # Little room: the name is enough, and what happened comes early.
        about = " ".join(filter(None, (line.side, line.name or line.symbol)))
        tape.append(f"{about}: " if about else "")
        tape.append(f"{line.text}\n", _STYLES[line.status] if line.status else "default")
    return Panel(tape, title="events", title_align="left", border_style="bright_black")


def _value(value: Decimal | None) -> str:
    return _NO_VALUE if value is None else number(value)


def _profit(value: Decimal | None) -> str:
    return _NO_VALUE if value is None else money(value)
