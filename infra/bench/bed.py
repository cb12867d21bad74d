"""One engine on one fresh store, with what a bench asks of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final, Protocol

from sqlalchemy import Select, func, select

from domain.errors import OncefillError
from domain.ports import BrokerGateway, Clock, Scheduler
from domain.session import ALWAYS_OPEN
from domain.settings import RateLimit, Settings
from domain.signal import Signal
from domain.terms import OrderType, Side, SignalId, Symbol
from infra.clock import SystemClock
from infra.store.audit import verify
from infra.store.folders import STORE_FILE
from infra.store.reading import Reader, open_reader
from infra.store.tables import CHECKPOINTS, FILLS, JOURNAL, ORDERS

GatewayMaker = Callable[[Clock, Scheduler], BrokerGateway]

SYMBOLS: Final = tuple(map(Symbol, ("005930", "000660", "005380", "035420", "069500")))
LIMIT_PX: Final = Decimal(70_000)
# The bucket is closed for one window after a start, so a short window saves time.
RAISED: Final = RateLimit(requests=1_000_000, window_s=0.1)
SETTINGS: Final = Settings(
    session=ALWAYS_OPEN,
    rate=RAISED,
    signal_deadline=timedelta(hours=1),
    max_unsent=1_000_000,
    stop_timeout_s=60.0,
)

_APPLIED: Final = select(func.coalesce(func.max(CHECKPOINTS.c.version), 0))
_ROWS: Final = select(func.coalesce(func.max(JOURNAL.c.seq), 0))
_COUNTS: Final = select(
    select(func.count()).select_from(ORDERS).scalar_subquery().label("orders"),
    select(func.count()).where(ORDERS.c.is_open).scalar_subquery().label("open_orders"),
    select(func.count(ORDERS.c.broker_order_id)).scalar_subquery().label("working"),
    select(func.count()).select_from(FILLS).scalar_subquery().label("fills"),
    _APPLIED.scalar_subquery().label("applied"),
    _ROWS.scalar_subquery().label("rows"),
)

_POLL_S: Final = 0.01
_LONGEST_S: Final = 60.0
_LONGEST_EACH_S: Final = 0.05


class Running(Protocol):
    """A started engine."""

    def tell(self, wish: Signal) -> None:
        """Tell a signal."""
        ...

    def stop(self) -> tuple[str, ...]:
        """Stop, and return what did not stop in time."""
        ...


class Launch(Protocol):
    """Starts an engine on threads and real time."""

    def __call__(self, settings: Settings, *, store: Path, gateway: GatewayMaker) -> Running:
        """Open the store at ``store``, make the gateway, and start."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What the store holds, as of one commit."""

    orders: int = 0
    open_orders: int = 0
    working: int = 0  # Known to the broker by its own number.
    fills: int = 0
    applied: int = 0
    rows: int = 0


class Bed:
    """A running engine, told signals and watched through its store alone."""

    def __init__(self, engine: Running, path: Path) -> None:
        self._engine = engine
        self._path = path
        self._clock = SystemClock()
        self._told = 0
        self._reader: Reader = open_reader(path)

    def tell(self, count: int, *, is_resting: bool = False) -> None:
        """Tell ``count`` new signals: market orders, or limit orders that are to rest."""
        self.prepare(count, is_resting=is_resting)()

    def prepare(self, count: int, *, is_resting: bool = False) -> Callable[[], None]:
        """Make ``count`` signals, outside the time that is measured; return what tells them."""
        numbers = range(self._told, self._told + count)
        signals = [a_signal(number, is_resting=is_resting) for number in numbers]

        def tell() -> None:
            self._told += count
            for signal in signals:
                self._engine.tell(signal)

        return tell

    def pause(self, seconds: float) -> None:
        """Let the engine come to rest."""
        self._clock.sleep(seconds)

    def wait_until_filled(self) -> None:
        """Wait until every order told is filled and applied to the positions."""
        self._wait(_APPLIED, 1, lambda now: not now.open_orders and now.applied == now.fills)

    def wait_until_resting(self) -> None:
        """Wait until every order told rests at the broker."""
        self._wait(_ROWS, 3, lambda now: now.working == self._told)

    def counts(self) -> Counts:
        """Return what the store holds."""
        with self._reader.snapshot() as connection:
            return Counts(**connection.execute(_COUNTS).mappings().one())

    def _wait(self, progress: Select[int], each: int, done: Callable[[Counts], bool]) -> None:
        """Wait until every order told is there and ``done``.

        ``progress`` is what is cheap to ask for while the engine works; it comes to at least
        ``each`` for every order.
        """
        until_s = perf_counter() + _LONGEST_S + _LONGEST_EACH_S * self._told
        while True:
            with self._reader.snapshot() as connection:
                is_near = connection.execute(progress).scalar_one() >= each * self._told
            if is_near and (now := self.counts()).orders == self._told and done(now):
                return
            if perf_counter() > until_s:
                msg = f"The bench gave up: of {self._told} orders the store shows {self.counts()}."
                raise OncefillError(msg)
            self._clock.sleep(_POLL_S)

    def check(self, *, is_filled: bool = True) -> None:
        """Check that all that was told is there once, and that the store's audit finds no fault.

        Raises:
            OncefillError: The figures measured on this bed mean nothing.
        """
        now = self.counts()
        if now.orders != self._told or now.working != self._told:
            msg = f"{self._told} signals told, but the store shows {now}: a bug of the engine."
            raise OncefillError(msg)
        filled = self._told if is_filled else 0
        if sum(order.status.is_terminal for order in self._reader.orders()) != filled:
            msg = f"Not {filled} orders ended: {now}."
            raise OncefillError(msg)
        report = verify(self._reader)
        if not report.ok:
            wrong = "; ".join(f"{one.name}: {one.detail}" for one in report.checks if not one.ok)
            msg = f"The audit of a bench's store failed ({wrong}): a bug of the engine."
            raise OncefillError(msg)

    def close(self) -> None:
        """Stop the engine.

        Raises:
            OncefillError: Something of it did not stop.
        """
        self._reader.close()
        late = self._engine.stop()
        if late:
            msg = f"The engine did not stop in time: {', '.join(late)}."
            raise OncefillError(msg)


@contextmanager
def open_bed(launch: Launch, gateway: GatewayMaker, folder: Path) -> Iterator[Bed]:
    """Start an engine on a new store in ``folder``; it is stopped and removed at the end."""
    with TemporaryDirectory(prefix="engine-", dir=folder) as room:
        path = Path(room, STORE_FILE)
        bed = Bed(launch(SETTINGS, store=path, gateway=gateway), path)
        try:
            bed.pause(RAISED.window_s)
            yield bed
        finally:
            bed.close()


def a_signal(number: int, *, is_resting: bool) -> Signal:
    """Return a signal; five symbols, bought and sold in turns."""
    turn, symbol = divmod(number, len(SYMBOLS))
    return Signal(
        signal_id=SignalId(f"bench-{number:08d}"),
        account_id=SETTINGS.account_id,
        symbol=SYMBOLS[symbol],
        side=Side.SELL if turn % 2 else Side.BUY,
        order_qty=Decimal(10),
        order_type=OrderType.LIMIT if is_resting else OrderType.MARKET,
        limit_px=LIMIT_PX if is_resting else None,
    )
