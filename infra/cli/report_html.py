"""A day's report as one page: no script, nothing from elsewhere, every text escaped."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from infra.cli.render import ZONE, counted, exchange_time, number, security, signed
from infra.cli.report_curve import curve
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
from infra.plain import clean
from infra.store.day import MOST, Day, FillResult

_MOST_FILLS: Final = 1_000
_BAD: Final = frozenset({"FAILED", "REJECTED", "IN_DOUBT"})
_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #888; --curve: #2563eb; --bad: #c2410c; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p.soft, figcaption, th { color: var(--soft); }
.facts { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin: 1.5rem 0; padding: 0; }
.facts li { list-style: none; } .facts strong { display: block; font-size: 1.3rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .75rem .25rem 0; text-align: left; border-bottom: 1px solid var(--line); }
th { font-weight: normal; } td { vertical-align: top; overflow-wrap: anywhere; }
.n { text-align: right; white-space: nowrap; overflow-wrap: normal; } .t { white-space: nowrap; }
tr.total td { font-weight: 600; border-bottom: 0; } .bad { color: var(--bad); font-weight: 600; }
figure { margin: 0; } svg { width: 100%; height: auto; display: block; }
svg text { font-size: 12px; fill: var(--soft); }
svg .grid { stroke: var(--line); } svg .zero { stroke: var(--soft); }
svg .curve { stroke: var(--curve); stroke-width: 2; fill: none; stroke-linejoin: round; }
"""
# Should a text ever get through as markup: nothing may be loaded and nothing may run.
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)

_SUM_TITLES: Final = ("fills#", "realized gross#", "fees#", "taxes#", "net#")
_FILL_TITLES: Final = ("time@", "symbol", "side", "qty#", "px#", "net#", "strategy")
_LINE_TITLES: Final = ("time@", "what@", "about", "text")


def page(day: Day) -> str:
    """Return the page; texts from outside stand in it as text, whatever they are."""
    title = f"{day.day}, account {day.account_id}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>{_STYLE}</style></head>\n<body>\n"
        f"<h1>{_text(title)}</h1>\n"
        f'<p class="soft">Times in {ZONE}. As of journal row {day.head.seq:,}, '
        f"hash {_text(day.head.hash)}.</p>\n"
        f"{_facts(day)}{_curve(day)}{_results(day)}"
        f"{_lines('Problems', problems_of(day))}{_lines('Halts', halts_of(day))}"
        f"{_fills(day.fills)}"
        "</body></html>\n"
    )


def _facts(day: Day) -> str:
    total = sums_of("total", day.fills)
    facts = {"realized net": signed(total.net), "fills": number(total.fills)}
    facts |= {f"orders {status}": number(count) for status, count in day.orders.items()}
    items = "".join(
        f"<li><strong>{_text(each)}</strong>{_text(name)}</li>" for name, each in facts.items()
    )
    return f'<ul class="facts">{items}</ul>\n'


def _curve(day: Day) -> str:
    points = curve_of(day)
    if not points:
        return '<p class="soft">Nothing was filled on this day.</p>\n'
    late = not_counted(day)
    caption = "Realized, less fees and taxes, after each execution."
    if late:
        caption += f" {counted(late, 'fill')} booked but not counted yet."
    return (
        "<h2>P&amp;L over the day</h2>\n"
        f"<figure>{curve(points)}<figcaption>{_text(caption)}</figcaption></figure>\n"
    )


def _results(day: Day) -> str:
    if not day.fills:
        return ""
    symbols = [sums_cells(security(sums.name), sums) for sums in by_symbol(day)]
    strategies = [sums_cells(sums.name or "(none)", sums) for sums in by_strategy(day)]
    total = sums_cells("total", sums_of("total", day.fills))
    return (
        f"<h2>By symbol</h2>\n{_table(('symbol', *_SUM_TITLES), [*symbols, total], total=True)}"
        f"<h2>By strategy</h2>\n{_table(('strategy', *_SUM_TITLES), strategies)}"
    )


def _fills(fills: Sequence[FillResult]) -> str:
    if not fills:
        return ""
    shown = fills[-_MOST_FILLS:]
    of = f", the last {len(shown):,} of {len(fills):,}" if len(fills) > len(shown) else ""
    return f"<h2>Fills{of}</h2>\n{_table(_FILL_TITLES, map(fill_cells, shown))}"


def _lines(title: str, lines: Sequence[Line]) -> str:
    if not lines:
        return f'<h2>{title}</h2>\n<p class="soft">None.</p>\n'
    rows = [(exchange_time(line.at), line.what, line.about, line.text) for line in lines]
    more = f'<p class="soft">At most {MOST:,} of each kind.</p>\n' if len(lines) >= MOST else ""
    return f"<h2>{title}</h2>\n{_table(_LINE_TITLES, rows)}{more}"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]], *, total: bool = False) -> str:
    """A title that ends in ``#`` is that of a number, one in ``@`` of a time."""
    kinds = [_class(title) for title in titles]
    names = [_text(title.rstrip("#@")) for title in titles]
    heading = "".join(
        f'<th scope="col"{kind}>{name}</th>' for kind, name in zip(kinds, names, strict=True)
    )
    lines = [
        "".join(_cell(kind, text) for kind, text in zip(kinds, row, strict=True)) for row in rows
    ]
    marked = [f"<tr>{line}</tr>\n" for line in lines]
    if total:
        marked[-1] = marked[-1].replace("<tr>", '<tr class="total">', 1)
    body = "".join(marked)
    return (
        f'<div class="scroll"><table><thead><tr>{heading}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>\n"
    )


def _class(title: str) -> str:
    return {"#": ' class="n"', "@": ' class="t"'}.get(title[-1], "")


def _cell(kind: str, text: str) -> str:
    shown = ' class="bad"' if text in _BAD else kind
    return f"<td{shown}>{_text(text)}</td>"


def _text(text: str) -> str:
    return escape(clean(text))
