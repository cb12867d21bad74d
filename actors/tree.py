"""The tree of actors: who is built on what, and who is told what."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock

from actors.broker import BrokerActor
from actors.bus import EventBus
from actors.calls import Door
from actors.executor import OrderExecutor
from actors.held import HeldActor
from actors.limits import CallSlot, RequestBucket, poll_bucket, request_bucket
from actors.messages import Receipt, Subscribe, Wake
from actors.position import PositionActor
from actors.retry import retry_waits
from actors.runtime import ActorSystem, Ref
from actors.taken import Taken
from actors.tools import Neighbours, OrderTools
from actors.tracker import TrackerActor, TrackerNeighbours
from domain.ports import BrokerGateway, Guard, Journal, Store
from domain.settings import Settings


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
class Tree:
    """The actors of one build, and the journal they write."""

    system: ActorSystem
    journal: Journal
    broker: Ref
    executor: Ref
    bus: Ref


@dataclass(slots=True, kw_only=True)
class Lasting:
    """What outlives a tree: a call under way, the budget, and who subscribed."""

    slot: CallSlot
    bucket: RequestBucket
    polls: RequestBucket
    subscribers: dict[str, Subscribe] = field(default_factory=dict)
    asked: set["Future[Receipt]"] = field(default_factory=set)
    rebuilds: int = 0


class Post:
    """An actor's address before there is one: the actors know each other in a circle."""

    def __init__(self) -> None:
        self._ref: Ref | None = None
        self._kept: list[object] = []
        self._lock = Lock()

    def tell(self, message: object) -> None:
        """Tell the actor, as soon as there is one."""
        if self._ref is None:
            with self._lock:
                if self._ref is None:
                    self._kept.append(message)
                    return
        self._ref.tell(message)

    def bind(self, ref: Ref) -> Ref:
        """Name the actor, and tell it what has been kept; return it."""
        with self._lock:
            for message in self._kept:
                ref.tell(message)
            self._kept.clear()
            self._ref = ref
        return ref


def lasting(settings: Settings, bucket: RequestBucket | None, now_s: float) -> Lasting:
    """Return what all trees of one engine share."""
    return Lasting(
        slot=CallSlot(),
        bucket=bucket or request_bucket(settings.rate, now_s),
        polls=poll_bucket(settings.rate, now_s),
    )


def grow(settings: Settings, ports: Ports, system: ActorSystem, last: Lasting) -> Tree:
    """Fence off every earlier tree, and spawn the actors of a new one."""
    journal, guard = ports.store.journal(), ports.store.guard()
    system.drive(journal)
    broker, executor, tracker, position = Post(), Post(), Post(), Post()
    held = system.spawn(HeldActor, guard, name="held")
    tools = OrderTools(
        journal=journal,
        settings=settings,
        broker=ports.gateway.capabilities,
        next_wait=retry_waits(settings.retry_waits_s),
        to=Neighbours(
            broker=broker.tell, tracker=tracker.tell, executor=executor.tell, held=held.tell
        ),
    )
    watched = TrackerNeighbours(broker=broker.tell, executor=executor.tell, position=position.tell)
    door = _door(ports, guard, system, last)
    account_id = settings.account_id
    bus = system.spawn(EventBus, journal, last.subscribers, name="bus")
    tree = Tree(
        system=system,
        journal=journal,
        broker=broker.bind(system.spawn(BrokerActor, door, settings, name="broker")),
        executor=executor.bind(system.spawn(OrderExecutor, tools, Taken(), name="executor")),
        bus=bus,
    )
    watching = position.bind(
        system.spawn(PositionActor, account_id, journal, tracker.tell, name="position")
    )
    watcher = system.spawn(TrackerActor, settings, watched, tools.broker, {}, name="tracker")
    ports.gateway.subscribe(tracker.bind(watcher).tell)

    def wake(seq: int, has_fills: bool) -> None:
        if has_fills:
            watching.tell(Wake(seq))
        # A thread that wakes up for nobody is in the way of the next order.
        if last.subscribers:
            bus.tell(Wake(seq))

    journal.watch(wake)
    return tree


def _door(ports: Ports, guard: Guard, system: ActorSystem, last: Lasting) -> Door:
    return Door(
        gateway=ports.gateway,
        guard=guard,
        bucket=last.bucket,
        polls=last.polls,
        slot=last.slot,
        fatal=system.fatal,
    )
