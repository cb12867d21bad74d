"""One simulated day: the product's own actors, a broker, a network, and whatever goes wrong.

The seed decides everything. What outlives a process (the broker, the network, the disk, the
runner) lives on the timeline; each engine is a simulated system on it.
"""

from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Any

from actors.engine import Engine, Ports
from actors.runtime import Faults, Killed, Timeline
from domain.broker import ClientIdSupport, FillNews
from domain.errors import EngineStoppedError, InvalidInputError
from tests.fakes import MemoryStore
from tests.simulation.busts import withdraw
from tests.simulation.clerk import Clerk
from tests.simulation.exchange import Exchange
from tests.simulation.halter import Halter
from tests.simulation.oracle import Oracle, ViolationError
from tests.simulation.person import Person
from tests.simulation.process import OwnFailures, Process, Result, Watch, WorldClock
from tests.simulation.profiles import draw, later_dice
from tests.simulation.schedule import Wish, schedule
from tests.simulation.stopper import Stopper
from tests.simulation.weather import Weather
from tests.simulation.wire import Network, SimulatedGateway

# 23:59:40 in Seoul: what begins at 0 meets midnight, and with it a new trade date.
EVENING = datetime(2026, 3, 2, 14, 59, 40, tzinfo=UTC)
TELL_AGAIN_S = 2.0
# After this long without a fault everything must be where it belongs: a revived order (30 s), the
# longest look-up pause (30 s), a reconcile (60 s) and the settle time may follow each other.
HEALED_WITHIN_S = 180.0
LOOK_S = 1.0


class Day:
    """Runs one seed.

    Attributes:
        notes: The story so far, as (seconds, order, text); None when nobody wants it.
    """

    def __init__(
        self,
        seed: int,
        profile: str = "mixed",
        *,
        weather: Weather | None = None,
        tells: bool = False,
        is_hashed: bool = True,
    ) -> None:
        self.seed = seed
        plan = Random(seed * 5)
        self.weather = weather or later_dice(seed, draw(plan, profile), profile)
        self.counts: Counter[str] = Counter()
        self.notes: list[tuple[float, str, str]] | None = [] if tells else None
        self.timeline = Timeline(seed=seed * 5 + 1, is_traced=is_hashed)
        self.clock = WorldClock(self.timeline, EVENING + timedelta(seconds=self.weather.starts_s))
        self.store = MemoryStore(clock=self.clock)
        settings = self.weather.settings
        self.network = Network(self.clock, self.weather, Random(seed * 5 + 2))
        self.exchange = Exchange(
            self.clock, settings, self.weather.habits, Random(seed * 5 + 3), self.network.publish
        )
        self.oracle = Oracle(self.store, self.exchange, settings.rate.requests, is_hashed)
        self.random = plan
        self.busts = Random(f"busts {seed}")
        self.person = Person(self)
        self.halter = Halter(self, self.weather.halts, Random(f"halts {seed}"))
        self.stopper = Stopper(self, Random(f"stops {seed}"))
        self.main: Process | None = None
        self.processes: list[Process] = []
        self.sent: deque[float] = deque()
        self.wishes = schedule(
            plan,
            orders=self.weather.orders,
            span_s=self.weather.span_s,
            are_alike=self.weather.are_alike,
        )
        self.acknowledged: set[int] = set()
        self.kills_left = self.weather.process_kills
        self.is_healed = self.is_over = False

    def run(self) -> Result:
        """Live through the day and say what became of it."""
        violation = None
        try:
            self._prepare()
            self._boot()
            while not self.is_over:
                self._live()
            self.oracle.check_end()
        except ViolationError as found:
            violation = found
        self._end()
        digest = sha256(f"{self.timeline.trace_hash} {self.oracle.chain}".encode()).hexdigest()
        self.counts["days"] += 1
        self.counts["orders"] += len(self.oracle.orders)
        self.counts["fills"] += len(self.store.fills)
        return Result(seed=self.seed, violation=violation, digest=digest, counts=self.counts)

    def note(self, what: Any, text: str) -> None:
        """Add to the story, if somebody wants it."""
        if self.notes is not None:
            order = what if isinstance(what, str) else getattr(what, "client_order_id", "")
            self.notes.append((self.timeline.now_s, order or "", text))

    def _live(self) -> None:
        """Go on until a process is killed, or the day is over."""
        step, steps = self.timeline.step, 0
        try:
            while not self.is_over:
                steps += 1
                step()
        except Killed:
            self._bury("killed")
        finally:
            self.counts["steps"] += steps

    # The process: started, killed, taken over.

    def _boot(self) -> None:
        """Start an engine; one that still runs is fenced off by it."""
        if self.is_over:
            return
        runtime = Faults() if self.is_healed else self.weather.runtime
        if self.kills_left and not self.is_healed:
            runtime = replace(runtime, kill_at=1 + self.random.randrange(self.weather.effects))
        system = OwnFailures(
            start=self.clock.start,
            timeline=self.timeline,
            faults=runtime,
            policy=self.weather.settings.restarts,
        )
        store = self.halter.store_of(self.store)
        # Two engines that both believe to be the only one count apart; after a kill the next one
        # goes on where the last one stood.
        sent = self.sent = deque(self.sent) if self.main is not None else self.sent
        gateway = SimulatedGateway(self.network, self.exchange, system, Watch(self, store, sent))
        ports = Ports(store=store, gateway=gateway, system=lambda: system)
        engine = Engine(self.weather.settings, ports)
        process = self.main = Process(system, engine, gateway, store)
        self.processes.append(process)
        self.note("", f"engine {self.store.epoch + 1} starts")
        engine.start()
        gives_up = system.on_fatal

        def on_fatal(error: BaseException) -> None:
            gives_up(error)
            # It runs inside the runtime: the process ends a moment later.
            self.timeline.push(0.0, lambda: self._bury("failed"))

        system.on_fatal = on_fatal

    def _bury(self, why: str) -> None:
        """Remove processes that have ended, and see that there is one again."""
        for process in tuple(self.processes):
            if not (process.system.is_dead or process.system.halted):
                continue
            with suppress(Killed):
                if not process.system.is_dead:
                    process.system.kill()
            self._leave(process)
            self.processes.remove(process)
            self.counts[why] += 1
            self.note("", f"engine {process.store.epoch} {why}: {process.engine.error or ''}")
            if process is self.main:
                self.main = None
                self.kills_left = max(0, self.kills_left - (why == "killed"))
                self.store.fault = None
                down_s = self.random.choice((0.0, 0.01, 0.3, 1.0, 3.0))
                self.timeline.push(down_s, self._boot)

    def _leave(self, process: Process) -> None:
        """Take a dead process off the network and the store."""
        stats = process.system.stats()
        self.counts["crashes"] += stats.restarts
        self.counts["quarantined"] += stats.quarantined
        process.gateway.close()
        process.store.close()

    def take_over(self) -> None:
        """Start a second engine, if there is one."""
        if self.main is not None and not self.is_healed:
            self.counts["takeovers"] += 1
            self.note("", "a second engine takes over")
            self._boot()

    # What goes wrong, and when.

    def _prepare(self) -> None:
        weather, day_s = self.weather, self.weather.day_s
        for wish_number, wish in enumerate(self.wishes):
            self.timeline.push(wish.at_s, self._teller(wish_number, wish))
            if wish.kind == "signal":
                self.oracle.signals[wish.order] = wish.content
        for times, what in (
            (weather.takeovers, self.take_over),
            (weather.disk_errors, self._fail_disk),
            (weather.clock_steps, self._step_clock),
            (weather.outages, self._go_away),
            (weather.silences, self._fall_silent),
        ):
            for _ in range(times):
                self.timeline.push(self.random.random() * day_s, what)
        for _ in range(weather.busts):
            self.timeline.push(self.busts.random() * day_s, self._withdraw)
        self._prepare_strangers()
        for each in (self.halter, self.stopper, Clerk(self, Random(f"clerk {self.seed}"))):
            each.prepare()
        self.timeline.push(day_s, self._heal)

    def _prepare_strangers(self) -> None:
        weather, day_s = self.weather, self.weather.day_s
        for _ in range(weather.orders):
            if self.random.random() < weather.habits.foreign:
                self.timeline.push(self.random.random() * day_s, self.person.intrude)
            if self.random.random() < weather.habits.garbage:
                self.timeline.push(self.random.random() * day_s, self._misdirect)
        if weather.habits.client_ids is ClientIdSupport.NONE:
            self.person.look()

    def _fail_disk(self) -> None:
        self.store.fault = OSError("the disk failed")
        self.store.is_fault_late = self.random.random() < 0.5
        self.note("", f"the disk fails, late={self.store.is_fault_late}")

    def _step_clock(self) -> None:
        seconds = self.random.choice((-7200.0, -5.0, 5.0, 7200.0))
        self.note("", f"the wall clock is set by {seconds} s")
        for process in self.processes:
            process.system.step_clock(seconds)

    def _go_away(self) -> None:
        self.network.is_away = True
        self.note("", "the broker is away")
        self.timeline.push(5 * self.random.random(), self._come_back)

    def _come_back(self) -> None:
        self.network.is_away = False

    def _fall_silent(self) -> None:
        self.network.is_silent = True
        self.note("", "the stream is silent")
        self.timeline.push(10 * self.random.random(), self._speak_again)

    def _speak_again(self) -> None:
        self.network.is_silent = False
        if self.random.random() < 0.5:
            self.network.gap()

    def _withdraw(self) -> None:
        filled = [each for each in self.exchange.orders if each.is_ours and each.cum_qty]
        if filled:
            booked = self.busts.choice(filled)
            self.counts["busts"] += 1
            self.note(booked.request.client_order_id, "the broker withdraws an execution")
            withdraw(self.exchange, booked, self.busts)

    def _misdirect(self) -> None:
        if self.exchange.fills:
            _, fill, _ = self.exchange.fills[-1]
            self.network.misdirect(FillNews(fill=fill))

    # The runner.

    def _teller(self, number: int, wish: Wish) -> Callable[[], None]:
        return lambda: self._tell(number, wish)

    def _tell(self, number: int, wish: Wish) -> None:
        """Tell a wish; signals and cancels again until they are acknowledged."""
        if number in self.acknowledged:
            return
        if wish.kind == "conflict" and wish.order not in self.oracle.orders:
            return  # Whichever is durable first is the order; this one came too early.
        if wish.kind in ("signal", "cancel"):
            self.timeline.push(TELL_AGAIN_S, self._teller(number, wish))
        process = self.main
        if process is None or process.system.is_suspended or number in process.asked:
            return
        with suppress(EngineStoppedError):
            if wish.kind == "bare":
                process.engine.tell(wish.content)
                return
            future = process.engine.ask(wish.content)
            process.asked.add(number)
            future.add_done_callback(lambda done: self._answered(process, number, wish, done))

    def _answered(self, process: Process, number: int, wish: Wish, done: Any) -> None:
        process.asked.discard(number)
        error = done.exception()
        if error is None:
            if wish.kind in ("conflict", "nonsense"):
                raise ViolationError("I9", f"{wish.kind} was taken: {wish.content}", wish.order)
            self.acknowledged.add(number)
            if isinstance(wish.content, type(self.oracle.signals.get(wish.order))):
                self.oracle.acknowledged(wish.content, wish.order)
        elif wish.kind in ("signal", "repeat") and isinstance(error, InvalidInputError):
            raise ViolationError("I3", f"a good signal was refused: {error}", wish.order)

    # The end of the day.

    def _heal(self) -> None:
        """Let nothing go wrong from now on."""
        self.is_healed = True
        self.note("", "all faults end")
        self.network.heal()
        self.halter.resume_all()
        self.stopper.wake_all()
        self.exchange.close()
        self.kills_left = 0
        self.store.fault = None
        for process in self.processes:
            process.system.faults = Faults()
        self.healed_at_s = self.timeline.now_s
        self.timeline.push(LOOK_S, self._look)

    def _look(self) -> None:
        """End the day when everything is where it belongs; it has to be, in time."""
        open_ = self.oracle.unresolved() + self._unanswered()
        if not open_:
            self.is_over = True
        elif self.timeline.now_s > self.healed_at_s + HEALED_WITHIN_S:
            raise ViolationError("I12", f"{HEALED_WITHIN_S:.0f} s after all faults: {open_[0]}")
        else:
            self.timeline.push(LOOK_S, self._look)

    def _unanswered(self) -> list[str]:
        return [
            f"{wish.kind} {wish.content.signal_id} is not acknowledged"
            for number, wish in enumerate(self.wishes)
            if wish.kind in ("signal", "cancel") and number not in self.acknowledged
        ]

    def _end(self) -> None:
        for process in self.processes:
            with suppress(Killed):
                if not process.system.is_dead:
                    process.system.kill()
            self._leave(process)
        self.halter.close()
        self.counts["virtual_s"] += int(self.timeline.now_s)
