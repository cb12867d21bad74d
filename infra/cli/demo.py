"""``run.py demo``: half a minute of trading on the paper broker, and the proof of what it did.

The script is the same each time; the market is the seed's. What the summary says is read from the
store and from the broker's own book after the engine has stopped.
"""

import io
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Final

from rich.console import Console

from domain.errors import InvalidInputError
from domain.ids import client_order_id
from domain.instrument import round_to_tick
from domain.ports import BrokerGateway, Clock, Scheduler
from domain.session import ALWAYS_OPEN
from domain.settings import BrokerTiming, Settings
from domain.signal import Cancel, Signal
from domain.terms import OrderType, Side, SignalId, StrategyId, Symbol
from infra.brokers.paper import PaperGateway, PaperSettings
from infra.brokers.paper.default import seeded_paper
from infra.cli.demo_report import BROKER_FILE, report, say_where
from infra.cli.demo_scenes import FAULTS, Script, play_pair, script_for
from infra.cli.interrupts import cause_of
from infra.cli.parts import LaunchLive, RunningEngine
from infra.cli.render import is_terminal, say
from infra.cli.source import BASE
from infra.clock import SystemClock
from infra.log import close_log, configure_log
from infra.screens.blotter import Heading, LiveBlotter, tape_text
from infra.screens.feed import Feed
from infra.screens.model import BlotterModel, TapeLine
from infra.store.folders import STORE_FILE, new_run_folder

LOG_FILE: Final = "oncefill.log"

# An answer is given up after 1.5 s, so that losing one does not take half of the demo.
_TIMEOUT_S: Final = 1.5
_SETTINGS: Final = Settings(session=ALWAYS_OPEN, timing=BrokerTiming(call_timeout_s=_TIMEOUT_S))
_PAPER: Final = PaperSettings(timeout_s=_TIMEOUT_S)

# Longer than any scene takes: then it counts as not shown, and the next one begins.
_SCENE_TIMEOUT_S: Final = 15.0
_STRATEGY: Final = StrategyId("demo")


def run(args: Namespace, launch: LaunchLive) -> int:
    """Trade, then show what happened; the exit code is 1 when a scene or a check is missing.

    Raises:
        InvalidInputError: There is a store at ``--store`` already.
        StoreError: The store cannot be made.
    """
    clock = SystemClock()
    store = _fresh_store(args.store, clock)
    script = script_for(args.seconds)
    configure_log(console=False, file=store.with_name(LOG_FILE))
    try:
        late = _trade(args, script, launch, store, clock)
        is_named = args.store is not None
        return report(script, store, _SETTINGS, late=late, is_named=is_named)
    except KeyboardInterrupt as interrupt:
        say(f"Stopped by {cause_of(interrupt)}.")
        say_where(store, script, is_named=args.store is not None)
        raise
    finally:
        close_log()


def _fresh_store(named: Path | None, clock: Clock) -> Path:
    """Return where the store is going to be; nothing is there yet."""
    if named is None:
        return new_run_folder(BASE, "demo", clock) / STORE_FILE
    is_file = named.suffix == Path(STORE_FILE).suffix and not named.is_dir()
    path = named if is_file else named / STORE_FILE
    if path.exists() or path.with_name(BROKER_FILE).exists():
        problem = f"there is a run at {path} already; name another place, or leave it out"
        raise InvalidInputError(field="store", problem=problem)
    return path


class _Floor:
    """Makes the paper broker and its market, and reads the last prices as any client would."""

    def __init__(self, path: Path, seed: int) -> None:
        self._path = path
        self._seed = seed
        self._gateway: PaperGateway | None = None

    def open(self, clock: Clock, scheduler: Scheduler) -> BrokerGateway:
        """Open the broker; its market moves from here on."""
        self._gateway, _ = seeded_paper(
            self._path,
            _SETTINGS,
            clock=clock,
            scheduler=scheduler,
            seed=self._seed,
            paper=_PAPER,
            faults=FAULTS,
        )
        return self._gateway

    def last_px(self, symbol: Symbol) -> Decimal | None:
        """Return the last price of a symbol, or None."""
        quote = self._gateway.market.quote(symbol) if self._gateway is not None else None
        return quote.last_px if quote is not None else None


class _Stage:
    """Plays scenes: signals to the engine, and waits on what the journal says."""

    def __init__(self, engine: RunningEngine, feed: Feed, floor: _Floor, clock: Clock) -> None:
        self._engine = engine
        self._feed = feed
        self._floor = floor
        self._clock = clock

    def trade(
        self, name: str, symbol: Symbol, side: Side, order_qty: int, px_factor: str | None = None
    ) -> None:
        """Signal an order and wait until it has ended and its fills are in the position."""
        self.signal(name, symbol, side, order_qty, px_factor)
        self.settle()

    def signal(
        self, name: str, symbol: Symbol, side: Side, order_qty: int, px_factor: str | None = None
    ) -> None:
        """Signal an order; it is durable, and on the screen, when this returns."""
        limit_px = None if px_factor is None else self._limit(symbol, Decimal(px_factor))
        signal = Signal(
            signal_id=SignalId(name),
            account_id=_SETTINGS.account_id,
            symbol=symbol,
            side=side,
            order_qty=Decimal(order_qty),
            order_type=OrderType.MARKET if limit_px is None else OrderType.LIMIT,
            limit_px=limit_px,
            strategy_id=_STRATEGY,
        )
        self._engine.ask(signal).result(_SCENE_TIMEOUT_S)
        key = client_order_id(signal.account_id, signal.signal_id)
        self._feed.wait_until(lambda model: model.seen(key) is not None, _SCENE_TIMEOUT_S)

    def cancel(self, name: str, reason: str) -> None:
        """Cancel a signalled order and wait until it has ended."""
        wish = Cancel(
            signal_id=SignalId(name),
            account_id=_SETTINGS.account_id,
            reason=reason,
            requested_by=_STRATEGY,
        )
        self._engine.ask(wish).result(_SCENE_TIMEOUT_S)
        self.settle()

    def pause(self, seconds: float) -> None:
        """Let the market move on."""
        self._feed.wait_until(lambda _: False, seconds)

    def pause_until(self, moment_s: float) -> None:
        """Let the market move on until that monotonic time."""
        self.pause(moment_s - self._clock.monotonic())

    def settle(self) -> None:
        """Wait until no order is open and every fill is in a position."""
        self._feed.wait_until(lambda model: model.is_quiet, _SCENE_TIMEOUT_S)

    def _limit(self, symbol: Symbol, factor: Decimal) -> Decimal:
        last_px = self._floor.last_px(symbol)
        assert last_px is not None, "the market opens with every symbol of the script"
        instrument = _SETTINGS.instruments.get(symbol)
        on = _SETTINGS.session.trade_date(self._clock.now())
        return round_to_tick(instrument, last_px * factor, on, Side.BUY)


def _trade(
    args: Namespace, script: Script, launch: LaunchLive, store: Path, clock: Clock
) -> tuple[str, ...]:
    """Play the script on an engine of its own; return what did not stop in time."""
    feed = Feed(BlotterModel(_SETTINGS))
    floor = _Floor(store.with_name(BROKER_FILE), args.seed)
    late: tuple[str, ...] = ()
    engine = launch(_SETTINGS, store=store, gateway=floor.open)
    try:
        with _screen(feed, floor, clock) as screen:
            engine.subscribe(feed.take, name="blotter")
            try:
                _play(script, _Stage(engine, feed, floor, clock), screen, args.seed, clock)
            finally:
                screen.show("Stopping the engine.")
    finally:
        late = engine.stop(reason="the demo is over")
    return late


def _play(script: Script, stage: _Stage, screen: "_Screen", seed: int, clock: Clock) -> None:
    ends_at_s = clock.monotonic()
    pair = 0
    for number, scene in enumerate(script.scenes, start=1):
        screen.show(f"{number}/{len(script.scenes)}  {scene.caption}")
        ends_at_s += scene.needs_s + script.pause_s
        scene.play(stage)
        for _ in range(script.pairs):
            pair += 1
            play_pair(stage, pair, seed)
        stage.pause_until(ends_at_s)


class _Screen:
    """Says what is being shown: on the blotter, or as a line where there is no terminal."""

    def __init__(self, blotter: LiveBlotter | None) -> None:
        self._blotter = blotter

    def show(self, caption: str) -> None:
        """Show a caption until the next one."""
        if self._blotter is not None:
            self._blotter.caption = caption
        else:
            say(f"-- {caption}")


@contextmanager
def _screen(feed: Feed, floor: _Floor, clock: Clock) -> Iterator[_Screen]:
    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    if not is_terminal() or console.is_dumb_terminal:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # An old locale must not turn a name into a crash.
            sys.stdout.reconfigure(errors="backslashreplace")
        feed.listen(_print_line)
        yield _Screen(None)
        return
    heading = Heading(
        account_id=_SETTINGS.account_id,
        session=_SETTINGS.session,
        is_live=False,
    )
    with LiveBlotter(feed, heading, clock=clock, marks=floor.last_px, console=console) as blotter:
        yield _Screen(blotter)


def _print_line(line: TapeLine) -> None:
    print(tape_text(line, _SETTINGS.session.tz), flush=True)
