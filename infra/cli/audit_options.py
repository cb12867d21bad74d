"""The options of ``audit``; imports nothing heavy."""

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path

Number = Callable[[str], int]
_AddParser = Callable[..., argparse.ArgumentParser]


def add_audit(
    add: _AddParser, *, count: Number, positive: Number, text: Callable[[str], str]
) -> Sequence[argparse.ArgumentParser]:
    """Add the actions of ``audit``; return their parsers, which also want a store and JSON."""
    verify = add("verify", "check the journal, and all that follows from it")
    verify.add_argument(
        "export", nargs="?", type=Path, metavar="FILE", help="check a file of audit export instead"
    )
    verify.add_argument(
        "--head",
        dest="heads",
        action="append",
        type=_head,
        default=[],
        metavar="SEQ:HASH",
        help="a head that was noted elsewhere; may be given again",
    )
    events = add("show", "list events")
    events.add_argument("--after", type=count, default=0, metavar="SEQ", help="later than this")
    events.add_argument("--limit", type=positive, default=50, metavar="N", help="default 50")
    events.add_argument("--stream", type=text, help="of this stream only")
    head = add("head", "show where the journal ends, to be noted elsewhere")
    export = add("export", "print the journal, a line of JSON for each row")
    rebuild = add("rebuild", "make all tables again from the journal and compare them")
    rebuild.add_argument("--write", action="store_true", help="put them in place; no engine runs")
    drill = add("drill", "tamper with copies of the store and see that each time it is found")
    drill.add_argument("--count", type=positive, default=1000, metavar="N", help="default 1,000")
    drill.add_argument("--seed", type=count, default=7, help="same seed, same tampering")
    return verify, events, head, export, rebuild, drill


def _head(given: str) -> tuple[int, str]:
    found = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", given)
    if found is None:
        message = "give a row's number and its whole hash, as audit head prints them: SEQ:HASH"
        raise argparse.ArgumentTypeError(message)
    return int(found[1]), found[2]
