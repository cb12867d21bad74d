"""Builds the tree of actors, and is what a runner holds: tell, ask, subscribe, stop."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

import structlog

from actors.eventlog import is_logged, log_record
from actors.messages import (
    Differences,
    Drain,
    Receipt,
    Reconcile,
    Subscribe,
    Told,
    Unread,
    Unsubscribe,
)
from actors.runtime import ActorSystem, Ref, SimulatedSystem, SystemStats
from actors.tree import Lasting, Ports, Tree, grow, lasting
from domain.errors import (
    EngineStoppedError,
    InvalidInputError,
    OutcomeUnknownError,
    StoreError,
    error_text,
)
from domain.events import EngineEvent, EngineStarted, EngineStopped, Quarantined
from domain.journal import Append, AppendFailed, AppendReply, Committed, LoadBook, Record
from domain.settings import Settings
from domain.signal import Cancel, Resolve, Signal, parse_cancel, parse_resolve, parse_signal

__all__ = ["Engine", "Ports"]

log = structlog.get_logger()

LAST_PARTS_S = 0.5

Wish = Signal | Cancel | Resolve | Mapping[str, object]


class Engine:
    """One account's order execution. Start it once; ``stop`` drains it.

    Attributes:
        failed: Set when the engine gave up; ``error`` says why. It never ends the process.
    """

    def __init__(self, settings: Settings, ports: Ports, *, version: str = "") -> None:
        self.settings = settings
        self.failed = Event()
        self.error: BaseException | None = None
        self._ports = ports
        self._version = version
        self._lock = Lock()
        self._healing = Lock()
        self._held: list[Told] | None = None  # What was told while a tree is being rebuilt.
        self._is_open = False
        self._last: Lasting | None = None
        self._tree: Tree | None = None
        self._healer: Thread | None = None
        self._stop_by_s = 0.0

    def start(self) -> "Engine":
        """Build the tree; recovery begins at once and signals wait for it."""
        system = self._ports.system()
        self._last = lasting(self.settings, self._ports.bucket, system.monotonic())
        self._build(system)
        self._is_open = True
        return self

    def tell(self, wish: Wish) -> None:
        """Tell a signal, cancel or resolve. Volatile until it is committed; refusals are events.

        Raises:
            EngineStoppedError: The engine takes nothing any more.
        """
        self._require_open()
        self._tell(Told(_read(wish)))

    def ask(self, wish: Wish) -> "Future[Receipt]":
        """Tell a signal, cancel or resolve; the future is set when it is durable.

        The future raises InvalidInputError, SignalConflictError, BusyError, or
        EngineStoppedError when nobody can say: tell the same signal again, it stays one order.
        """
        self._require_open()
        future, reply = self._asking()
        self._tell(Told(_read(wish), reply))
        if not self._is_open:
            # It failed or was stopped meanwhile, perhaps without seeing this future.
            reply(EngineStoppedError("the engine stopped; tell the signal again when it runs"))
        return future

    def reconcile(self) -> "Future[Differences]":
        """Compare orders, fills and positions with the broker now.

        Returns:
            The positions that differ at this moment; a fill may be on its way. The future raises
            EngineStoppedError when the engine stops before it knows, and is never set when the
            broker cannot be asked.
        """
        self._require_open()
        future, reply = self._asking()
        self.actor("tracker").tell(Reconcile(reply))
        return future

    def _asking(self) -> tuple["Future[Any]", Callable[[Any], None]]:
        """Return a future that is failed when the engine stops, and what sets it."""
        future: Future[Any] = Future()
        asked = self._last_or_fail().asked
        asked.add(future)

        def reply(answer: Any) -> None:
            asked.discard(future)
            _resolve(future, answer)

        return future, reply

    def subscribe(
        self, sink: Callable[[Record], None] | Ref, *, after_seq: int = 0, name: str = ""
    ) -> str:
        """Send every journal record after ``after_seq`` to a callable or an actor, in order.

        Returns:
            The name to unsubscribe with.
        """
        told = sink.tell if isinstance(sink, Ref) else sink
        name = name or f"subscriber-{id(sink)}"
        self._now().bus.tell(Subscribe(name, told, after_seq))
        return name

    def unsubscribe(self, name: str) -> None:
        """Send nothing more to the subscriber of this name."""
        self._now().bus.tell(Unsubscribe(name))

    def stats(self) -> SystemStats:
        """Return mailbox depths, restarts, quarantine and dead letters."""
        return self._now().system.stats()

    @property
    def epoch(self) -> int:
        """The number of the present tree among all that ever ran on this store."""
        return self._ports.store.epoch

    @property
    def system(self) -> ActorSystem:
        """The actor system of the present tree."""
        return self._now().system

    def actor(self, name: str) -> Ref:
        """Return an actor by name: ``executor``, ``broker``, ``order/...``."""
        return self._now().system.actors[name]

    def stop(self, *, reason: str = "asked to stop") -> tuple[str, ...]:
        """Take nothing more, let what is under way end, and leave no thread.

        Returns:
            The names of what did not stop in time; empty when all is well.
        """
        if not self._is_open and self._tree is None:
            return ()
        self._is_open = False
        self._stop_by_s = monotonic() + self.settings.stop_timeout_s
        if self._healer is not None:
            self._healer.join(self._left_s())
        tree = self._now()
        if not self.failed.is_set():
            done = Event()
            tree.broker.tell(Drain(done.set))
            self._wait(done)
            self._journal_now(tree, EngineStopped(reason=reason, at=tree.system.now()))
        self._ports.gateway.close()
        late = tree.system.stop(self._left_s())
        self._fail_asked("the engine was stopped")
        self._ports.store.close()
        if self._ports.closing is not None:
            self._ports.closing()
        self._tree = None
        log.info("engine.stopped", reason=reason, late=len(late))
        return late

    def _tell(self, told: Told) -> None:
        with self._lock:
            if self._held is None:
                self._now().executor.tell(told)
            else:
                self._held.append(told)

    def _build(self, system: ActorSystem) -> None:
        system.on_fatal = self._on_fatal
        system.on_quarantine = self._on_quarantine
        self._tree = tree = grow(self.settings, self._ports, system, self._last_or_fail())
        started = EngineStarted(
            epoch=self._ports.store.epoch, version=self._version, at=system.now()
        )
        self._append(tree, started, "engine.started", self._log_from)
        log.info(
            "engine.started",
            account_id=self.settings.account_id,
            broker=self._ports.gateway.capabilities.name,
            epoch=self._ports.store.epoch,
        )

    def _on_quarantine(self, actor: str, message: Any, error: BaseException) -> None:
        tree = self._now()
        kind = type(message).__name__
        put_aside = Quarantined(
            actor=actor, message_kind=kind, error=type(error).__name__, at=tree.system.now()
        )
        self._append(tree, put_aside, "engine.quarantined")
        reply = message.reply if isinstance(message, Told) else getattr(message, "fail", None)
        if reply is not None:
            reason = f"it crashed {actor} twice and was put aside; tell it again"
            reply(EngineStoppedError(reason))

    def _on_fatal(self, error: BaseException) -> None:
        """Begin again with a new tree, unless the ground itself is gone."""
        last = self._last_or_fail()
        is_lost = isinstance(error, StoreError | OutcomeUnknownError)
        is_lost = is_lost or isinstance(self._now().system, SimulatedSystem)
        if is_lost or last.rebuilds >= self.settings.max_tree_rebuilds or not self._is_open:
            self._fail(error)
            return
        last.rebuilds += 1
        log.error("engine.rebuilding", error=error_text(error), rebuild=last.rebuilds)
        with self._lock:
            self._held = self._held or []
        # The runtime must not be stopped from within itself.
        self._healer = Thread(target=self._rebuild, args=(error,), name="rebuild", daemon=True)
        self._healer.start()

    def _rebuild(self, error: BaseException) -> None:
        with self._healing:
            self._heal(error)

    def _heal(self, error: BaseException) -> None:
        try:
            self._now().system.stop(self.settings.stop_timeout_s)
            self._fail_asked("the engine is being rebuilt; tell the signal again")
            self._build(self._ports.system())
        except Exception as failure:  # noqa: BLE001 - the thread's root: the engine must say so.
            log.warning("engine.rebuild_failed", after=error_text(error))
            self._fail(failure)
            return
        with self._lock:
            held, self._held = self._held or [], None
            for told in held:
                self._now().executor.tell(told)

    def _fail(self, error: BaseException) -> None:
        self.error = error
        self._is_open = False
        log.critical("engine.failed", error_type=type(error).__name__, error=error_text(error))
        self._fail_asked("the engine has failed")
        self.failed.set()

    def _fail_asked(self, reason: str) -> None:
        asked = self._last_or_fail().asked
        for future in tuple(asked):
            _resolve(future, EngineStoppedError(reason))
        asked.clear()

    def _append(
        self, tree: Tree, event: EngineEvent, topic: str, reply: AppendReply | None = None
    ) -> None:
        batch = Append(stream="engine", version=None, events=(event,), topics=((topic,),))
        tree.journal.append(batch, reply or _ignore)

    def _log_from(self, answer: Committed | AppendFailed) -> None:
        """Log every event from this start on; what came before has been logged."""
        if isinstance(answer, Committed) and is_logged():
            self._now().bus.tell(Subscribe("log", log_record, answer.seq - 1))

    def _journal_now(self, tree: Tree, event: EngineEvent) -> None:
        self._append(tree, event, "engine.stopped")
        durable = Event()
        tree.journal.load(LoadBook(), lambda _: durable.set())
        self._wait(durable)

    def _wait(self, event: Event) -> None:
        system = self._now().system
        if isinstance(system, SimulatedSystem):
            system.run_until(event.is_set)
        else:
            event.wait(self._left_s())

    def _left_s(self) -> float:
        """All parts of a stop share its time; the last ones get a moment at least."""
        return max(LAST_PARTS_S, self._stop_by_s - monotonic())

    def _require_open(self) -> None:
        if not self._is_open:
            why = f": {self.error}" if self.error is not None else ""
            msg = f"the engine takes no signals; it has stopped{why}"
            raise EngineStoppedError(msg)

    def _now(self) -> Tree:
        if self._tree is None:
            msg = "the engine is not running; call start() first"
            raise EngineStoppedError(msg)
        return self._tree

    def _last_or_fail(self) -> Lasting:
        assert self._last is not None, "start() makes it"
        return self._last


def _read(wish: Wish) -> Signal | Cancel | Resolve | Unread:
    """Read a wish in its caller's thread: what it is made of may do anything when touched."""
    try:
        plain = dict(wish) if isinstance(wish, Mapping) else wish
        return _parsed(plain)
    except Exception as error:  # noqa: BLE001 - a stranger's code; our actors must not meet it.
        log.warning("signal.unreadable", error_type=type(error).__name__)
        problem = "it cannot be read; give a mapping of plain values"
        return Unread("", InvalidInputError("signal", problem))


def _parsed(wish: Wish) -> Signal | Cancel | Resolve | Unread:
    try:
        if isinstance(wish, Resolve):
            return parse_resolve(wish)
        return parse_cancel(wish) if isinstance(wish, Cancel) else parse_signal(wish)
    except InvalidInputError as error:
        told = (
            wish.get("signal_id", "") if isinstance(wish, dict) else getattr(wish, "signal_id", "")
        )
        is_text = isinstance(told, str) and told.isprintable()
        return Unread(told[:64] if is_text else "", error)


def _resolve(future: "Future[Any]", answer: Any) -> None:
    """Set a future that may have been set, or given up, by somebody else."""
    with suppress(InvalidStateError):
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)


def _ignore(_: object) -> None:
    """Nothing waits for an event of the engine itself."""
