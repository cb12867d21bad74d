"""``run.py export``: all orders, fills or days, as CSV or lines of JSON."""

import io
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from domain.errors import InvalidInputError
from infra.cli.out_file import require_apart, written_beside
from infra.cli.render import counted, is_terminal, print_json, say
from infra.cli.source import fills_not_applied, open_source
from infra.plain import clean
from infra.store.listings import FORMATS, columns, rows
from infra.store.reading import Reader


def run(args: Namespace) -> int:
    """Print the rows, or write them to a file; the exit code is 0.

    Raises:
        InvalidInputError: ``--json`` without ``--out``, or a file that cannot be the target.
    """
    if args.json and args.out is None:
        problem = "says what was written with --out; for rows as JSON give --format jsonl"
        raise InvalidInputError("--json", problem)
    with open_source(args) as reader, reader.snapshot():
        late = fills_not_applied(reader) if args.what == "pnl" else 0
        if args.out is None:
            _print(_lines(reader, args))
        else:
            _write(args, reader, args.out)
    if late:
        print(
            f"oncefill: {counted(late, 'fill')} booked but not counted in pnl yet; "
            "export again in a moment.",
            file=sys.stderr,
        )
    return 0


def _lines(reader: Reader, args: Namespace) -> Iterator[str]:
    lines: Iterator[str] = FORMATS[args.format](columns(args.what), rows(reader, args.what))
    return lines


def _print(lines: Iterator[str]) -> None:
    if is_terminal():
        for line in lines:
            print(clean(line))
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        # For programs: the same bytes in every locale.
        sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.writelines(lines)


def _write(args: Namespace, reader: Reader, out: Path) -> None:
    require_apart("--out", out, reader.path)
    count = -1 if args.format == "csv" else 0  # The heading is no row.
    with (
        written_beside("--out", out) as fresh,
        fresh.open("w", encoding="utf-8", newline="") as file,
    ):
        for line in _lines(reader, args):
            file.write(line)
            count += 1
    if args.json:
        facts = {"store": str(reader.path), "file": str(out), "format": args.format}
        print_json(facts | {"what": args.what, "rows": count})
    else:
        say(f"Wrote {counted(count, 'row')} of {args.what} to {out}.")
