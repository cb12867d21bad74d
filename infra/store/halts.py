"""Setting and lifting halts from any process, whatever the engine does, and showing them.

A halt is a row of the journal and a line of a note outside of it: a file beside the store, or a
row of its own on PostgreSQL. The note comes first: from then on the guard lets no order of the
scope pass. Who halts then waits, but not for ever, until the calls that had passed before have
ended. Lifting goes the other way round, row before note.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Final

from sqlalchemy import Connection

from domain.errors import InvalidInputError, StoreError
from domain.halt import Halted, HaltEvent, HaltScope, Resumed, halts_after
from domain.ports import Clock
from domain.terms import OrderStatus, StrategyId, Symbol
from infra.store.drivers import HaltNote, Halts
from infra.store.halt_file import BY_HAND, UNREADABLE
from infra.store.halt_rows import append_halts, recorded_halts
from infra.store.places import Place, note_of
from infra.store.reading import open_reader_at
from infra.store.views import OrderView

CALLS_END_S: Final = 6.0  # A call's total timeout, and a little.
_OTHERS_END_S: Final = 2.0
_OUTCOMES_S: Final = 1.0
_POLL_S: Final = 0.05
_UNSAFE: Final = (
    "And another resume or halt on this store was stopped in the midst of its work: when it goes "
    "on it may undo this one. End that command, then halt again."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltReport:
    """What a halt came to.

    Attributes:
        halts: All that are in force now.
        is_quiet: No call that could place an order of the scope is under way any more.
        in_flight: The orders of the scope whose placement has no outcome.
        unrecorded: Why the journal holds no row of it yet; None when it does. The halt stands, or
            the text says what may undo it.
    """

    halts: tuple[Halted, ...]
    is_quiet: bool
    in_flight: tuple[OrderView, ...]
    unrecorded: str | None


def set_halt(
    store: Place, halted: Halted, *, clock: Clock, wait_s: float = CALLS_END_S
) -> HaltReport:
    """Halt; after this returns no placement of the scope begins.

    Args:
        store: Its file, or where it is on a server.
        halted: What, why and by whom.
        clock: For ``recorded_at``.
        wait_s: How long to wait for calls under way.

    Raises:
        StoreError: There is no store, or the halt cannot be noted.
    """
    require_store(store)
    # Another command that hangs must not keep a halt from being set; halts only add.
    note = note_of(store)
    with note.alone("halting", _OTHERS_END_S) as is_alone:
        halts, is_quiet, is_safe = shut(store, halted, wait_s, is_alone=is_alone)
        unrecorded = None
        try:
            _record(note, (halted,), clock)
        except StoreError as error:
            unrecorded = str(error) if is_safe else f"{error} {_UNSAFE}"
    in_flight = _in_flight(store, halted.scope)
    return HaltReport(
        halts=tuple(halts.values()),
        is_quiet=is_quiet,
        in_flight=in_flight,
        unrecorded=unrecorded,
    )


def lift_halt(store: Place, resumed: Resumed, *, clock: Clock) -> tuple[Halted, ...]:
    """Lift the halt of a scope; return those that stand.

    Raises:
        InvalidInputError: There is no halt of that scope.
        StoreError: It cannot be written, or another command is at it; the halt stands.
    """
    require_store(store)
    note = note_of(store)
    with note.alone("halting", _OTHERS_END_S) as is_alone:
        if not is_alone:
            msg = "Another halt or resume is under way on this store; try again when it has ended."
            raise StoreError(msg)
        lifted = _halts_of(store, note, resumed.scope)
        _record(note, (resumed,), clock)
        # A halt does not wait for ever for who resumes: what was set meanwhile stands.
        left, _ = note.change(
            lambda found: _without(found, lifted) | _from_rows(store),
            is_adding=False,
            wait_s=_OTHERS_END_S,
        )
    if left is None:
        msg = f"{note} changes all the time; look who writes it, then try again."
        raise StoreError(msg)
    return tuple(left.values())


def _halts_of(store: Place, note: HaltNote, scope: HaltScope) -> tuple[Halted, ...]:
    """Return the halts of the scope, in the note and in the journal."""
    places = (note.read(), _from_rows(store))
    found = tuple(halts[scope] for halts in places if scope in halts)
    if not found:
        standing = ", ".join(map(str, places[0] | places[1])) or "none"
        raise InvalidInputError("scope", f"there is no halt of {scope}; in force: {standing}")
    return found


def _without(halts: Halts, lifted: Sequence[Halted]) -> Halts:
    return {scope: halt for scope, halt in halts.items() if halt not in lifted}


def shut(
    store: Place, halted: Halted, wait_s: float, *, is_alone: bool = True
) -> tuple[Halts, bool, bool]:
    """Note the halt, then wait for the calls that passed before.

    Returns:
        The halts in force; whether all calls have ended; whether no other command that was
        stopped in the midst of its work could take the note away when it goes on.

    Raises:
        StoreError: It cannot be noted; the halts before stand.
    """
    note, recorded = note_of(store), _from_rows(store)
    # The other command may be lifting this very scope: it must see that this halt is another.
    again = {} if is_alone else {halted.scope: halted}
    halts, is_safe = note.change(
        lambda found: halts_after(found | recorded | again, (halted,)),
        is_adding=True,
        wait_s=_OTHERS_END_S,
    )
    assert halts is not None, "a halt is written in any case"
    with note.alone("gate", wait_s) as is_quiet:
        return halts, is_quiet, is_safe


def halts_in_force(store: Place) -> Halts:
    """Return all halts, those that are noted and those of the journal.

    Raises:
        StoreError: One of them cannot be read; the text says what the other holds.
    """
    noted = note_of(store).read()
    try:
        return noted | _rows(store)
    except StoreError as error:
        known = "; ".join(halt.text for halt in noted.values()) or "none that is noted outside"
        msg = f"Its halts are not known: {error} In force whatever the journal says: {known}."
        raise StoreError(msg) from error


def covering(halts: Iterable[Halted], symbol: Symbol, strategy_id: StrategyId) -> Halted | None:
    """Return a halt that holds back an order of that symbol and strategy, or None."""
    return next((halt for halt in halts if halt.scope.covers(symbol, strategy_id)), None)


def open_orders(store: Place, scope: HaltScope) -> tuple[OrderView, ...]:
    """Return the orders of a scope that have not ended, oldest first."""
    return _orders(store, scope, (status for status in OrderStatus if not status.is_terminal))


def record_missing(connection: Connection, store: Place, clock: Clock) -> None:
    """Write down the halts that only the note knows: the store was busy when they were set."""
    missing = _missing(connection, note_of(store))
    if missing:
        append_halts(connection, missing, clock)


def require_store(store: Place) -> None:
    """Raise StoreError where no store is: nobody can say what halts there."""
    if not isinstance(store, Path):
        note_of(store).read()
    elif not store.is_file():
        msg = f"There is no store at {store}; check the path, or name another with --store."
        raise StoreError(msg)


def _from_rows(store: Place) -> Halts:
    """Return the halts by the journal; who halts is not kept by a journal that nobody can read."""
    try:
        return _rows(store)
    except StoreError:
        return {}


def _rows(store: Place) -> Halts:
    with open_reader_at(store) as reader, reader.snapshot() as connection:
        return recorded_halts(connection)


def _record(note: HaltNote, events: Sequence[HaltEvent], clock: Clock) -> None:
    with note.writing() as connection:
        earlier = [halt for halt in _missing(connection, note) if halt not in events]
        append_halts(connection, (*earlier, *events), clock)


def _missing(connection: Connection, note: HaltNote) -> list[Halted]:
    recorded = recorded_halts(connection)
    return [
        halt
        for scope, halt in note.read(connection).items()
        if scope not in recorded and halt.reason not in (BY_HAND, UNREADABLE)
    ]


def _in_flight(store: Place, scope: HaltScope) -> tuple[OrderView, ...]:
    """Return the placements without an outcome; the last ones get a moment to be written down."""
    until_s = monotonic() + _OUTCOMES_S
    while True:
        orders = _orders(store, scope, (OrderStatus.SUBMITTED, OrderStatus.IN_DOUBT))
        placing = tuple(order for order in orders if order.broker_order_id is None)
        is_moving = any(order.status is OrderStatus.SUBMITTED for order in placing)
        if not is_moving or monotonic() >= until_s:
            return placing
        Event().wait(_POLL_S)


def _orders(
    store: Place, scope: HaltScope, statuses: Iterable[OrderStatus]
) -> tuple[OrderView, ...]:
    with open_reader_at(store) as reader, reader.snapshot():
        found = [order for status in statuses for order in reader.orders(status=status)]
    covered = [order for order in found if scope.covers(order.symbol, order.strategy_id)]
    return tuple(sorted(covered, key=lambda order: order.created_at))
