"""``run.py report``: one trade date, as text, JSON, or a page that stands alone."""

from argparse import Namespace
from collections.abc import Sequence
from datetime import date
from typing import Final

from domain.errors import InvalidInputError
from infra.cli.out_file import require_apart, written_beside
from infra.cli.positions import say_what_is_late
from infra.cli.render import (
    ZONE,
    Column,
    counted,
    exchange_time,
    print_json,
    say,
    security,
    show_table,
)
from infra.cli.report_html import page
from infra.cli.report_sums import (
    Line,
    by_strategy,
    by_symbol,
    curve_of,
    fill_cells,
    halts_of,
    not_counted,
    problems_of,
    sums_cells,
    sums_of,
)
from infra.cli.source import open_source
from infra.store.day import Day, FillResult, read_day

_SUMS: Final = (
    Column(title="fills", is_number=True),
    Column(title="realized gross", is_number=True),
    Column(title="fees", is_number=True),
    Column(title="taxes", is_number=True),
    Column(title="net", is_number=True),
)
_FILLS: Final = (
    Column(title=f"time ({ZONE})"),
    Column(title="symbol"),
    Column(title="side"),
    Column(title="qty", is_number=True),
    Column(title="px", is_number=True),
    Column(title="net", is_number=True),
    Column(title="strategy", is_flexible=True, drop=1),
)
_LINES: Final = (
    Column(title=f"time ({ZONE})"),
    Column(title="what"),
    Column(title="about", is_flexible=True),
    Column(title="text", wraps=True),
)
_MOST_FILLS: Final = 20
_YEARS: Final = range(1970, 9999)


def run(args: Namespace) -> int:
    """Show the day, and write the page if one is wanted; the exit code is 0.

    Raises:
        InvalidInputError: No exchange had that day, or the page cannot have that name.
    """
    if args.day.year not in _YEARS:
        raise InvalidInputError("--day", f"give a day from {_YEARS[0]} to {_YEARS[-1]}")
    with open_source(args) as reader:
        if args.html is not None:
            require_apart("--html", args.html, reader.path)
        day, store = read_day(reader, args.day), reader.path
    if args.html is not None:
        with written_beside("--html", args.html) as fresh:
            fresh.write_text(page(day), encoding="utf-8")
    if args.json:
        print_json({"store": str(store)} | _facts(day))
        return 0
    _show(day)
    if args.html is not None:
        say(f"Wrote {args.html}.")
    return 0


def _facts(day: Day) -> dict[str, object]:
    return {
        "day": day.day,
        "account_id": day.account_id,
        "head_seq": day.head.seq,
        "head_hash": day.head.hash,
        "orders": day.orders,
        "total": sums_of("total", day.fills),
        "by_symbol": by_symbol(day),
        "by_strategy": by_strategy(day),
        "fills": day.fills,
        "fills_not_counted": not_counted(day),
        "curve": curve_of(day),
        "problems": problems_of(day),
        "halts": halts_of(day),
    }


def _show(day: Day) -> None:
    say(f"{day.day}, account {day.account_id}, as of journal row {day.head.seq:,}", style="bold")
    say()
    by_status = ", ".join(f"{count:,} {status}" for status, count in day.orders.items())
    say(f"Orders: {by_status or f'none on {day.day}'}.")
    if day.fills:
        _show_results(day)
        _show_fills(day.fills)
    else:
        say("Nothing was filled.")
    _show_lines("Problems", problems_of(day), day.day)
    _show_lines("Halts", halts_of(day), day.day)


def _show_results(day: Day) -> None:
    symbols = [sums_cells(security(sums.name), sums) for sums in by_symbol(day)]
    total = sums_cells("total", sums_of("total", day.fills))
    say()
    show_table((Column(title="symbol"), *_SUMS), [*symbols, total])
    strategies = [sums_cells(sums.name or "(none)", sums) for sums in by_strategy(day)]
    say()
    show_table((Column(title="strategy", is_flexible=True), *_SUMS), strategies)
    say_what_is_late(not_counted(day))


def _show_fills(fills: Sequence[FillResult]) -> None:
    shown = fills[-_MOST_FILLS:]
    say()
    show_table(_FILLS, [fill_cells(fill) for fill in shown])
    if len(fills) > len(shown):
        say(f"These are the last {len(shown)} of {counted(len(fills), 'fill')}.", style="dim")


def _show_lines(title: str, lines: Sequence[Line], day: date) -> None:
    say()
    if not lines:
        say(f"{title}: none on {day}.")
        return
    say(f"{title}:", style="bold")
    show_table(
        _LINES,
        [(exchange_time(line.at), line.what, line.about, line.text) for line in lines],
    )
