"""Setting and lifting halts from any process, whatever the engine does, and showing them.

A halt is a row of the journal and a line of the file beside the store. The file comes first: from
then on the guard lets no order of the scope pass. Who halts then waits, but not for ever, until
the calls that had passed before have ended. Lifting goes the other way round, row before file.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
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
from infra.store.dialect import explained, writer_engine
from infra.store.folders import beside
from infra.store.gate import alone, gate_path
from infra.store.halt_file import BY_HAND, change_halt_file, halt_file, read_halt_file
from infra.store.halt_rows import append_halts, recorded_halts
from infra.store.places import Place
from infra.store.reading import open_reader, open_reader_at
from infra.store.views import OrderView

CALLS_END_S: Final = 6.0  # A call's total timeout, and a little.
_OTHERS_END_S: Final = 2.0
_OUTCOMES_S: Final = 1.0
_POLL_S: Final = 0.05

_Halts = dict[HaltScope, Halted]


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltReport:
    """What a halt came to.

    Attributes:
        halts: All that are in force now.
        is_quiet: No call that could place an order of the scope is under way any more.
        in_flight: The orders of the scope whose placement has no outcome.
        unrecorded: Why the journal holds no row of it yet; None when it does. The halt stands.
    """

    halts: tuple[Halted, ...]
    is_quiet: bool
    in_flight: tuple[OrderView, ...]
    unrecorded: str | None


def set_halt(
    store: Path, halted: Halted, *, clock: Clock, wait_s: float = CALLS_END_S
) -> HaltReport:
    """Halt; after this returns no placement of the scope begins.

    Args:
        store: The store's file.
        halted: What, why and by whom.
        clock: For ``recorded_at``.
        wait_s: How long to wait for calls under way.

    Raises:
        StoreError: There is no store, or the file beside it cannot be written.
    """
    require_store(store)
    # Another command that hangs must not keep a halt from being set; halts only add.
    with _only_command(store) as is_alone:
        halts, is_quiet = shut(store, halted, wait_s, is_alone=is_alone)
        unrecorded = None
        try:
            _record(store, (halted,), clock)
        except StoreError as error:
            unrecorded = str(error)
    in_flight = _in_flight(store, halted.scope)
    return HaltReport(
        halts=tuple(halts.values()),
        is_quiet=is_quiet,
        in_flight=in_flight,
        unrecorded=unrecorded,
    )


def lift_halt(store: Path, resumed: Resumed, *, clock: Clock) -> tuple[Halted, ...]:
    """Lift the halt of a scope; return those that stand.

    Raises:
        InvalidInputError: There is no halt of that scope.
        StoreError: It cannot be written, or another command is at it; the halt stands.
    """
    require_store(store)
    with _only_command(store) as is_alone:
        if not is_alone:
            msg = "Another halt or resume is under way on this store; try again when it has ended."
            raise StoreError(msg)
        lifted = _halts_of(store, resumed.scope)
        _record(store, (resumed,), clock)
        # A halt does not wait for ever for who resumes: what was set meanwhile stands.
        left = _change(store, lambda found: _without(found, lifted) | _from_rows(store))
    if left is None:
        msg = f"{halt_file(store)} changes all the time; look who writes it, then try again."
        raise StoreError(msg)
    return tuple(left.values())


def _halts_of(store: Path, scope: HaltScope) -> tuple[Halted, ...]:
    """Return the halts of the scope, in the file and in the journal."""
    places = (_from_file(store), _from_rows(store))
    found = tuple(halts[scope] for halts in places if scope in halts)
    if not found:
        standing = ", ".join(map(str, places[0] | places[1])) or "none"
        raise InvalidInputError("scope", f"there is no halt of {scope}; in force: {standing}")
    return found


def _without(halts: _Halts, lifted: Sequence[Halted]) -> _Halts:
    return {scope: halt for scope, halt in halts.items() if halt not in lifted}


def shut(
    store: Path, halted: Halted, wait_s: float, *, is_alone: bool = True
) -> tuple[_Halts, bool]:
    """Put the halt in the file, then wait for the calls that passed before; False: one goes on.

    Raises:
        StoreError: The file cannot be written; the halts before stand.
    """
    recorded = _from_rows(store)
    # The other command may be lifting this very scope: it must see that this halt is another.
    again = {} if is_alone else {halted.scope: halted}
    halts = _change(
        store, lambda found: halts_after(found | recorded | again, (halted,)), is_adding=True
    )
    assert halts is not None, "a halt is written in any case"
    with alone(gate_path(store), wait_s) as is_quiet:
        return halts, is_quiet


def halts_in_force(store: Place) -> _Halts:
    """Return all halts, of the file and of the journal; a store that cannot be read adds none."""
    halts = _from_file(store) if isinstance(store, Path) else {}
    return halts | _from_rows(store)


def covering(halts: Iterable[Halted], symbol: Symbol, strategy_id: StrategyId) -> Halted | None:
    """Return a halt that holds back an order of that symbol and strategy, or None."""
    return next((halt for halt in halts if halt.scope.covers(symbol, strategy_id)), None)


def open_orders(store: Path, scope: HaltScope) -> tuple[OrderView, ...]:
    """Return the orders of a scope that have not ended, oldest first."""
    return _orders(store, scope, (status for status in OrderStatus if not status.is_terminal))


def record_missing(connection: Connection, store: Path, clock: Clock) -> None:
    """Write down the halts that only the file knows: the store was busy when they were set."""
    missing = _missing(connection, store)
    if missing:
        append_halts(connection, missing, clock)


def require_store(store: Path) -> None:
    """Raise StoreError where no store is: nobody can say what halts there."""
    if not store.is_file():
        msg = f"There is no store at {store}; check the path, or name another with --store."
        raise StoreError(msg)


def _only_command(store: Path) -> AbstractContextManager[bool]:
    return alone(beside(store, ".halting"), _OTHERS_END_S)


def _from_file(store: Path) -> _Halts:
    path = halt_file(store)
    try:
        return read_halt_file(path)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}; check the permissions of its folder."
        raise StoreError(msg) from error


def _from_rows(store: Place) -> _Halts:
    try:
        with open_reader_at(store) as reader, reader.snapshot() as connection:
            return recorded_halts(connection)
    except StoreError:
        return {}


def _change(
    store: Path, change: Callable[[_Halts], _Halts], *, is_adding: bool = False
) -> _Halts | None:
    path = halt_file(store)
    try:
        # Held for the reading and writing of the file alone, so who waits in vain waits for a
        # command that was stopped just there.
        with alone(beside(store, ".halt-file"), _OTHERS_END_S):
            return change_halt_file(path, change, is_adding=is_adding)
    except OSError as error:
        msg = (
            f"{path} cannot be written: {error.strerror}. To halt the account by hand, make an "
            "empty file of that name, or stop the engine."
        )
        raise StoreError(msg) from error


def _record(store: Path, events: Sequence[HaltEvent], clock: Clock) -> None:
    engine = writer_engine(store)
    with explained(store), engine.connect() as connection, connection.begin():
        earlier = [halt for halt in _missing(connection, store) if halt not in events]
        append_halts(connection, (*earlier, *events), clock)


def _missing(connection: Connection, store: Path) -> list[Halted]:
    recorded = recorded_halts(connection)
    return [
        halt
        for scope, halt in _from_file(store).items()
        if scope not in recorded and halt.reason != BY_HAND
    ]


def _in_flight(store: Path, scope: HaltScope) -> tuple[OrderView, ...]:
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
    store: Path, scope: HaltScope, statuses: Iterable[OrderStatus]
) -> tuple[OrderView, ...]:
    with open_reader(store) as reader, reader.snapshot():
        found = [order for status in statuses for order in reader.orders(status=status)]
    covered = [order for order in found if scope.covers(order.symbol, order.strategy_id)]
    return tuple(sorted(covered, key=lambda order: order.created_at))
