"""Builds the tree of actors, and is what a runner holds: tell, ask, subscribe, stop."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Any

import structlog

from actors.broker import BrokerActor, Door
from actors.bus import EventBus
from actors.executor import OrderExecutor, Taken
from actors.limits import CallSlot, RequestBucket, poll_bucket, request_bucket
from actors.messages import Drain, Receipt, Subscribe, Told, Unsubscribe, Wake
from actors.position import PositionActor
from actors.retry import retry_waits
from actors.runtime import ActorSystem, Ref, SimulatedSystem, SystemStats
from actors.steps import Neighbours, OrderTools
from actors.tracker import TrackerActor, TrackerNeighbours
from domain.errors import EngineStoppedError, OutcomeUnknownError, StoreError
from domain.events import EngineEvent, EngineStarted, EngineStopped, Quarantined
from domain.journal import Append, LoadBook, Record
from domain.ports import BrokerGateway, Guard, Journal, Store
from domain.settings import Settings
from domain.signal import Cancel, Signal

log = structlog.get_logger()

Wish = Signal | Cancel | Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What an engine stands on.

    Attributes:
        system: Makes the actor system; called again when the tree is rebuilt.
        bucket: The runner's own rate limiter for this app key; None makes one.
        closing: Called last by ``stop``, for what came with the gateway.
    """

    store: Store
    gateway: BrokerGateway
    system: Callable[[], ActorSystem]
    bucket: RequestBucket | None = None
    closing: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tree:
    """The actors of one build, and the journal they write."""

    system: ActorSystem
    journal: Journal
    broker: Ref
    executor: Ref
    bus: Ref


@dataclass(slots=True, kw_only=True)
class _Lasting:
    """What outlives a tree: a call under way, the budget, and who subscribed."""

    slot: CallSlot
    bucket: RequestBucket
    polls: RequestBucket
    subscribers: dict[str, Subscribe] = field(default_factory=dict)
    asked: set["Future[Receipt]"] = field(default_factory=set)
    rebuilds: int = 0


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
        self._is_open = False
        self._last: _Lasting | None = None
        self._tree: _Tree | None = None
        self._healer: Thread | None = None

    def start(self) -> "Engine":
        """Build the tree; recovery begins at once and signals wait for it."""
        system = self._ports.system()
        now_s, rate = system.monotonic(), self.settings.rate
        self._last = _Lasting(
            slot=CallSlot(),
            bucket=self._ports.bucket or request_bucket(rate, now_s),
            polls=poll_bucket(rate, now_s),
        )
        self._build(system)
        self._is_open = True
        return self

    def tell(self, wish: Wish) -> None:
        """Tell a signal or a cancel. Volatile until it is committed; refusals are events.

        Raises:
            EngineStoppedError: The engine takes nothing any more.
        """
        self._require_open()
        self._now().executor.tell(Told(wish))

    def ask(self, wish: Wish) -> "Future[Receipt]":
        """Tell a signal or a cancel; the future is set when it is durable.

        The future raises InvalidInputError, SignalConflictError, BusyError, or
        EngineStoppedError when nobody can say: tell the same signal again, it stays one order.
        """
        self._require_open()
        future: Future[Receipt] = Future()
        asked = self._lasting().asked
        asked.add(future)

        def reply(answer: Receipt | Exception) -> None:
            asked.discard(future)
            _resolve(future, answer)

        self._now().executor.tell(Told(wish, reply))
        return future

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
        if self._healer is not None:
            self._healer.join(self.settings.stop_timeout_s)
        tree = self._now()
        if not self.failed.is_set():
            done = Event()
            tree.broker.tell(Drain(done.set))
            self._wait(done)
            self._journal_now(tree, EngineStopped(reason=reason, at=tree.system.now()))
        self._ports.gateway.close()
        late = tree.system.stop(self.settings.stop_timeout_s)
        self._fail_asked("the engine was stopped")
        self._ports.store.close()
        if self._ports.closing is not None:
            self._ports.closing()
        self._tree = None
        log.info("engine.stopped", reason=reason, late=len(late))
        return late

    def _build(self, system: ActorSystem) -> None:
        journal, guard = self._ports.store.journal(), self._ports.store.guard()
        system.on_fatal = self._on_fatal
        system.on_quarantine = self._on_quarantine
        system.drive(journal)
        last = self._lasting()
        self._tree = tree = self._spawn(system, journal, guard, last)
        started = EngineStarted(
            epoch=self._ports.store.epoch, version=self._version, at=system.now()
        )
        self._append(tree, started, "engine.started")
        log.info(
            "engine.started",
            account_id=self.settings.account_id,
            broker=self._ports.gateway.capabilities.name,
            epoch=self._ports.store.epoch,
        )

    def _spawn(self, system: ActorSystem, journal: Journal, guard: Guard, last: _Lasting) -> _Tree:
        settings = self.settings
        refs: dict[str, Ref] = {}

        def to(name: str) -> Callable[[Any], None]:
            return lambda message: refs[name].tell(message)

        door = Door(
            gateway=self._ports.gateway,
            guard=guard,
            bucket=last.bucket,
            polls=last.polls,
            slot=last.slot,
            fatal=system.fatal,
        )
        tools = OrderTools(
            journal=journal,
            settings=settings,
            next_wait=retry_waits(settings.retry_waits_s),
            to=Neighbours(broker=to("broker"), tracker=to("tracker"), executor=to("executor")),
        )
        watched = TrackerNeighbours(
            broker=to("broker"), executor=to("executor"), position=to("position")
        )
        refs["broker"] = system.spawn(BrokerActor, door, settings, name="broker")
        refs["position"] = system.spawn(
            PositionActor, settings.account_id, journal, name="position"
        )
        refs["bus"] = system.spawn(EventBus, journal, last.subscribers, name="bus")
        refs["executor"] = system.spawn(OrderExecutor, tools, Taken(), name="executor")
        refs["tracker"] = system.spawn(TrackerActor, settings, watched, name="tracker")
        journal.watch(lambda seq: _wake(refs, seq))
        self._ports.gateway.subscribe(refs["tracker"].tell)
        return _Tree(
            system=system,
            journal=journal,
            broker=refs["broker"],
            executor=refs["executor"],
            bus=refs["bus"],
        )

    def _on_quarantine(self, actor: str, message: Any, error: BaseException) -> None:
        tree = self._now()
        kind = type(message).__name__
        put_aside = Quarantined(
            actor=actor, message_kind=kind, error=type(error).__name__, at=tree.system.now()
        )
        self._append(tree, put_aside, "engine.quarantined")

    def _on_fatal(self, error: BaseException) -> None:
        """Begin again with a new tree, unless the ground itself is gone."""
        last = self._lasting()
        is_lost = isinstance(error, StoreError | OutcomeUnknownError)
        is_lost = is_lost or isinstance(self._now().system, SimulatedSystem)
        if is_lost or last.rebuilds >= self.settings.max_tree_rebuilds or not self._is_open:
            self._fail(error)
            return
        last.rebuilds += 1
        log.error("engine.rebuilding", error=str(error), rebuild=last.rebuilds)
        # The runtime must not be stopped from within itself.
        self._healer = Thread(target=self._rebuild, args=(error,), name="rebuild", daemon=True)
        self._healer.start()

    def _rebuild(self, error: BaseException) -> None:
        with self._lock:
            try:
                self._now().system.stop(self.settings.stop_timeout_s)
                self._fail_asked("the engine is being rebuilt; tell the signal again")
                self._build(self._ports.system())
            except Exception as failure:  # noqa: BLE001 - a thread's root.
                log.error("engine.rebuild_failed", error=str(failure), after=str(error))
                self._fail(failure)

    def _fail(self, error: BaseException) -> None:
        self.error = error
        self._is_open = False
        log.critical("engine.failed", error_type=type(error).__name__, error=str(error))
        self._fail_asked("the engine has failed")
        self.failed.set()

    def _fail_asked(self, reason: str) -> None:
        asked = self._lasting().asked
        for future in tuple(asked):
            _resolve(future, EngineStoppedError(reason))
        asked.clear()

    def _append(self, tree: _Tree, event: EngineEvent, topic: str) -> None:
        batch = Append(stream="engine", version=None, events=(event,), topics=((topic,),))
        tree.journal.append(batch, _ignore)

    def _journal_now(self, tree: _Tree, event: EngineEvent) -> None:
        self._append(tree, event, "engine.stopped")
        durable = Event()
        tree.journal.load(LoadBook(), lambda _: durable.set())
        self._wait(durable)

    def _wait(self, event: Event) -> None:
        system = self._now().system
        if isinstance(system, SimulatedSystem):
            system.run_until(event.is_set)
        else:
            event.wait(self.settings.stop_timeout_s)

    def _require_open(self) -> None:
        if not self._is_open:
            why = f": {self.error}" if self.error is not None else ""
            msg = f"the engine takes no signals; it has stopped{why}"
            raise EngineStoppedError(msg)

    def _now(self) -> _Tree:
        if self._tree is None:
            msg = "the engine is not running; call start() first"
            raise EngineStoppedError(msg)
        return self._tree

    def _lasting(self) -> _Lasting:
        assert self._last is not None, "start() makes it"
        return self._last


def _wake(refs: Mapping[str, Ref], seq: int) -> None:
    message = Wake(seq)
    refs["position"].tell(message)
    refs["bus"].tell(message)


def _resolve(future: "Future[Receipt]", answer: Receipt | Exception) -> None:
    """Set a future that may have been set, or given up, by somebody else."""
    with suppress(InvalidStateError):
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)


def _ignore(_: object) -> None:
    """Nothing waits for an event of the engine itself."""
