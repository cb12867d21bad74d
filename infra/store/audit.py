"""Is the record whole, and does everything shown follow from it? Recomputed from the first row.

The chain finds what was changed, moved, added or taken out. A journal whose end was cut off still
looks whole: compare the head with one noted elsewhere.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from domain.errors import StoreError
from domain.events import ORDER_EVENTS, Filled
from domain.lifecycle import LEGAL_CHANGES
from domain.order import Order, evolve
from domain.position import PositionBook, PositionChanged, RecordedFill, change_for, evolve_book
from domain.terms import AccountId, OrderStatus
from infra.store.chain import GENESIS, row_hash
from infra.store.codec import CODEC
from infra.store.projections import order_row, recorded_fill
from infra.store.queries import ORDER_STREAM
from infra.store.reading import Reader
from infra.store.tables import ORDERS
from infra.store.views import JournalLine, OrderView

_SHOWN: Final = 3

# What folding events, or reading values, that were tampered with can raise.
_REPLAY_ERRORS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked; ``detail`` says what is wrong, or how much was looked at."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """The result of an audit, as of journal row ``seq``."""

    ok: bool
    seq: int
    head_hash: str
    checks: tuple[Check, ...]


def verify(reader: Reader) -> AuditReport:
    """Check the whole store at one moment, while an engine runs or not.

    Raises:
        StoreError: The store cannot be read at all.
    """
    with reader.snapshot():
        replay = _Replay(AccountId(reader.meta()["account_id"]))
        for line in reader.lines():
            replay.take(line)
        checks = (
            *replay.checks(),
            _compare(
                "orders",
                replay.orders_shown(),
                lambda: {order.client_order_id: order for order in reader.orders()},
            ),
            _compare("fills", replay.fills, lambda: {fill.seq: fill for fill in reader.fills()}),
            _compare("positions", replay.book.positions, lambda: reader.book().positions),
            _compare("daily pnl", replay.book.daily, lambda: reader.book().daily),
            _compare("checkpoint", _mark(replay.book), lambda: _mark(reader.book())),
        )
    return AuditReport(
        ok=all(check.ok for check in checks), seq=replay.seq, head_hash=replay.hash, checks=checks
    )


class _Replay:
    """What the journal says, from its first row; and everything in it that cannot be right."""

    def __init__(self, account_id: AccountId) -> None:
        self.seq = 0
        self.hash = GENESIS
        self.fills: dict[int, RecordedFill] = {}
        self.book = PositionBook.empty(account_id)
        self._versions: dict[str, int] = {}
        self._orders: dict[str, tuple[Order, int]] = {}
        self._unapplied: deque[RecordedFill] = deque()
        self._problems: dict[str, list[str]] = {}

    def take(self, line: JournalLine) -> None:
        """Check one row against all before it."""
        self._check_chain(line)
        version = self._versions.get(line.stream, 0) + 1
        self._versions[line.stream] = version
        if line.stream_seq != version:
            self._note("streams", line, f"{line.stream_seq} of {line.stream}, expected {version}")
        try:
            event = CODEC.decode(line.kind, line.data)
            self._apply(line, event)
        except (StoreError, TypeError) as error:
            self._note("events", line, str(error))
        except _REPLAY_ERRORS as error:
            self._note("replay", line, f"{line.kind} of {line.stream} cannot be applied: {error}")

    def checks(self) -> tuple[Check, ...]:
        """Return what was found on the way."""
        late = len(self._unapplied)
        return (
            self._check("chain", f"{self.seq} rows, none changed or missing"),
            self._check("streams", f"{len(self._versions)} streams without a gap"),
            self._check("events", "all readable"),
            self._check("replay", f"{len(self._orders)} orders replayed"),
            self._check("status changes", "all legal"),
            self._check("book events", f"all follow from the fills; {late} fills not applied yet"),
        )

    def orders_shown(self) -> dict[str, OrderView]:
        """Return each order as the table should show it."""
        names = ORDERS.c.keys()
        return {
            key: OrderView(**dict(zip(names, order_row(order, seq), strict=True)))
            for key, (order, seq) in self._orders.items()
        }

    def _check_chain(self, line: JournalLine) -> None:
        if line.seq != self.seq + 1:
            self._note("chain", line, f"follows row {self.seq}")
        if line.prev_hash != self.hash:
            self._note("chain", line, "does not continue the row before it")
        covered = (
            line.prev_hash,
            line.seq,
            line.stream,
            line.stream_seq,
            line.kind,
            line.topics,
            line.data,
            line.recorded_at,
        )
        if line.hash != row_hash(covered):
            self._note("chain", line, "was changed")
        self.seq, self.hash = line.seq, line.hash

    def _apply(self, line: JournalLine, event: Any) -> None:
        if isinstance(event, PositionChanged):
            self._apply_change(line, event)
        elif line.stream.startswith(ORDER_STREAM) and isinstance(event, ORDER_EVENTS):
            self._apply_to_order(line, event)

    def _apply_to_order(self, line: JournalLine, event: Any) -> None:
        key = line.stream.removeprefix(ORDER_STREAM)
        before = self._orders[key][0] if key in self._orders else None
        after = evolve(before, event)
        self._orders[key] = (after, line.seq)
        if not _is_legal(before, after):
            was = before.status if before else "nothing"
            self._note("status changes", line, f"{line.kind} made {after.status} of {was}: {key}")
        if isinstance(event, Filled):
            fill = recorded_fill(after, event, line.seq)
            self.fills[line.seq] = fill
            self._unapplied.append(fill)

    def _apply_change(self, line: JournalLine, event: PositionChanged) -> None:
        fill = self._unapplied.popleft() if self._unapplied else None
        if fill is None or change_for(self.book, fill, event.at) != event:
            self._note("book events", line, f"does not follow from fill {event.fill_seq}")
        self.book = evolve_book(self.book, event)

    def _note(self, name: str, line: JournalLine, problem: str) -> None:
        self._problems.setdefault(name, []).append(f"row {line.seq} {problem}")

    def _check(self, name: str, detail: str) -> Check:
        problems = self._problems.get(name, [])
        return Check(name, ok=not problems, detail=_first_few(problems) or detail)


def _is_legal(before: Order | None, after: Order) -> bool:
    if before is None:
        return after.status is OrderStatus.PENDING
    return after.status is before.status or after.status in LEGAL_CHANGES[before.status]


def _compare(
    name: str, expected: Mapping[Any, Any], read: Callable[[], Mapping[Any, Any]]
) -> Check:
    """Compare a projection with what the journal makes of it."""
    try:
        shown = read()
    except _REPLAY_ERRORS as error:
        return Check(name, ok=False, detail=f"a value in the table cannot be read: {error!r}")
    wrong = [str(key) for key, value in expected.items() if shown.get(key) != value]
    extra = [str(key) for key in shown if key not in expected]
    problems = [f"{key} is not what the journal says" for key in wrong]
    problems += [f"{key} is not in the journal" for key in extra]
    return Check(name, ok=not problems, detail=_first_few(problems) or f"{len(expected)} agree")


def _mark(book: PositionBook) -> Mapping[str, int]:
    return {"last fill": book.checkpoint, "events": book.version}


def _first_few(problems: list[str]) -> str:
    more = len(problems) - _SHOWN
    return "; ".join(problems[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
