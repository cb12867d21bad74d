"""The same actors in one thread and virtual time, where a seed decides what happens when."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]  # It ships no types.
from pykka._envelope import Envelope

from actors.runtime.addresses import SimulatedFuture, SimulatedRef
from actors.runtime.cell import Cell
from actors.runtime.mailbox import NOTHING, Mailbox, Ref
from actors.runtime.messages import Failed, Halt, InjectedError, Killed, Redelivered, Stopped
from actors.runtime.ports import Worker
from actors.runtime.system import ActorSystem
from actors.runtime.timeline import Timeline
from actors.runtime.timers import Timer
from domain.supervision import RestartPolicy

# The supervisor's own notes: a crash while reading one is a bug here, not a fault to survive.
_NEVER_CRASHED: Final = (Failed, Halt, Stopped)


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What the simulation does to the system; ``system.faults`` may be changed at any time.

    Attributes:
        crash: The probability that an actor fails on a message, half of them before it had any
            effect, half of them after all its effects.
        stall: The probability that an actor is slow to read its next message.
        stall_s: How slow at most, in virtual seconds.
        kill_at: The effect at which the process is killed; None for never. Effects are each tell,
            each call, and each side of each drain.
    """

    crash: float = 0.0
    stall: float = 0.0
    stall_s: float = 3.0
    kill_at: int | None = None


class SimulatedSystem(ActorSystem):
    """One thread, a virtual clock, and a seed.

    Functions given to ``Actor.call`` run as greenlets: ``sleep`` inside one parks it in virtual
    time while all else goes on. They must not hold a lock across ``sleep``: there is one thread.

    Args:
        seed: Decides every choice; the same seed gives the same ``trace_hash``.
        start: The time of day at which the virtual clock begins.
        shuffle: False runs actors in turn and takes the middle of each range, for fast replays.
        turn_s: Virtual seconds that handling a message takes, from and to.
        call_latency_s: Virtual seconds before a called function begins.
        commit_latency_s: Virtual seconds between a worker's wake-up and its drain.
        faults: Crashes, stalls and the kill.
        timeline: A time shared with other systems and with what outlives them; its own seed and
            choices hold then.
        policy: How often top-level actors may start again before the whole system has failed.

    Attributes:
        effects: How many effects there have been, for choosing the next run's ``kill_at``.
        is_dead: Whether the system was killed or stopped; nothing of it runs any more.
    """

    def __init__(
        self,
        *,
        start: datetime,
        seed: int = 0,
        shuffle: bool = True,
        turn_s: tuple[float, float] = (0.0, 0.0002),
        call_latency_s: tuple[float, float] = (0.0, 0.0002),
        commit_latency_s: tuple[float, float] = (0.0002, 0.002),
        faults: Faults | None = None,
        policy: RestartPolicy | None = None,
        timeline: Timeline | None = None,
    ) -> None:
        self.timeline = timeline or Timeline(seed=seed, shuffle=shuffle)
        self.faults = faults or Faults()
        self.effects = 0
        self.is_dead = False
        self._start = start
        self._turn_s = turn_s
        self._call_latency_s = call_latency_s
        self._commit_latency_s = commit_latency_s
        self._parked: dict[greenlet, None] = {}
        self._put_back: Callable[[], None] | None = None  # While it is suspended.
        self._woken: list[Cell] = []  # By others, meanwhile.
        super().__init__(policy=policy)

    @property
    def trace_hash(self) -> str:
        """The hash of all that happened: time, actor and type of each message."""
        return self.timeline.trace_hash

    def now(self) -> datetime:
        """Return the virtual time of day."""
        return self._start + timedelta(seconds=self.timeline.now_s)

    def step_clock(self, seconds: float) -> None:
        """Set the time of day forward or back; waits do not notice."""
        self._start += timedelta(seconds=seconds)

    def monotonic(self) -> float:
        """Return the virtual seconds since the start of the timeline."""
        return self.timeline.now_s

    def sleep(self, seconds: float) -> None:
        """Park the function that was given to ``Actor.call``; raises anywhere else."""
        if self.is_dead:
            raise Killed
        call = self.timeline.call
        if call is None:
            msg = "Only a function given to Actor.call may sleep; use after() or call_later()."
            raise RuntimeError(msg)
        self._parked[call] = None
        self.schedule(seconds, partial(self._resume, call), work=True)
        call.parent.switch()
        # Thrown out of the switch instead when the process was killed meanwhile.

    def schedule(self, seconds: float, action: Callable[[], None], *, work: bool = False) -> Timer:
        """Run a short function outside every actor, later."""
        return self.timeline.push(seconds, action, owner=self, work=work)

    def submit(self, job: Callable[[], None]) -> None:
        """Run a job as a greenlet, soon."""
        self.effect()
        call = greenlet(job)
        wait_s = self.timeline.between(self._call_latency_s)
        self.schedule(wait_s, partial(self._resume, call), work=True)

    def drive(self, worker: Worker) -> None:
        """Drain the worker a little after each time it asks to be woken."""
        is_due = False

        def wake() -> None:
            nonlocal is_due
            if not is_due:
                is_due = True
                wait_s = self.timeline.between(self._commit_latency_s)
                self.schedule(wait_s, drain, work=True)

        def drain() -> None:
            nonlocal is_due
            is_due = False
            self.timeline.note("drain", type(worker).__name__)
            self.effect()
            self.drain(worker)

        worker.attach(wake)

    def let_gather(self, done: int) -> None:
        """Do nothing: a drain's latency is drawn when it is woken."""

    def effect(self) -> None:
        """Count something that is seen from outside; here the process may be killed.

        Raises:
            Killed: This was the one.
        """
        if self.timeline.is_inside:
            self.effects += 1
            if self.effects == self.faults.kill_at:
                self.kill()

    def kill(self) -> None:
        """End the process: nothing of it runs any more, and what was not durable is lost.

        Raises:
            Killed: Always, out of ``step()``.
        """
        self._die()
        raise Killed

    def suspend(self) -> None:
        """Stop the process as SIGSTOP does: nothing of it runs, and time goes on without it.

        What others tell it waits in its mailboxes.
        """
        if self._put_back is None and not self.is_dead:
            self._put_back = self.timeline.suspend(self)

    def go_on(self) -> None:
        """Wake the process up: whatever came due meanwhile is due now."""
        put_back, self._put_back = self._put_back, None
        if put_back is not None and not self.is_dead:
            put_back()
            self.timeline.runnable.extend(self._woken)
        self._woken.clear()

    @property
    def is_suspended(self) -> bool:
        """Whether the process was stopped and is to go on."""
        return self._put_back is not None

    def step(self) -> bool:
        """Let one thing happen; False when nothing ever will by itself."""
        self._refuse_inside()
        if self.is_dead or self.halted:
            return False
        return self.timeline.step()

    def run_until(
        self, until: Callable[[], bool] | datetime, *, within_s: float = 86_400.0
    ) -> bool:
        """Go on until a condition holds, or until a virtual time.

        Returns:
            Whether the condition holds; False after ``within_s`` virtual seconds, or when
            nothing can happen any more.
        """
        if isinstance(until, datetime):
            self.run_for((until - self.now()).total_seconds())
            return not self.is_dead
        limit_s = self.timeline.now_s + within_s
        while not until():
            if not self._step_within(limit_s):
                return until()
        return True

    def run_for(self, seconds: float) -> None:
        """Go on for so many virtual seconds."""
        limit_s = self.timeline.now_s + seconds
        while self._step_within(limit_s):
            pass
        if not self.is_dead:
            self.timeline.now_s = max(self.timeline.now_s, limit_s)

    def run_until_idle(self) -> None:
        """Go on until only timers of actors and of ``call_later`` are left.

        Calls under way, drains and pending restarts are waited for.
        """
        while self._has_work():
            if not self.step():
                return

    def stop(self, timeout_s: float = 10.0) -> tuple[str, ...]:
        """Stop children before parents, and let calls and drains end, within virtual seconds."""
        if self.is_dead:
            return ()
        if not self.halted:
            self._root.box.put_lifecycle(Halt())
        self.run_until(lambda: self._root.box.dead and not self._has_work(), within_s=timeout_s)
        late = () if self.halted else tuple(self.actors)
        self._die()
        return late

    def wait_for(self, future: SimulatedFuture, within_s: float | None) -> bool:
        """Go on until a future is set; False when that does not happen."""
        self._refuse_inside()
        limit_s = 86_400.0 if within_s is None else within_s
        return self.run_until(lambda: future.is_set, within_s=limit_s)

    def is_above_actors(self, error: BaseException) -> bool:
        """Return True for a kill, and for what a person or pytest raises in this one thread."""
        return not isinstance(error, Exception | SystemExit)

    def _refuse_inside(self) -> None:
        if self.timeline.is_inside:
            msg = "An actor must not wait for another: nothing happens while it runs."
            raise RuntimeError(msg)

    def _has_work(self) -> bool:
        return self.timeline.has_work()

    def _step_within(self, limit_s: float) -> bool:
        if not self.timeline.runnable:
            due_s = self.timeline.next_due()
            if due_s is None or due_s > limit_s:
                return False
        return self.timeline.now_s <= limit_s and self.step()

    def turn(self, cell: Cell) -> None:
        """Let an actor handle its next message; the timeline calls this."""
        if self.is_dead or self.halted:
            return
        if self._put_back is not None:
            self._woken.append(cell)
            return
        timeline = self.timeline
        timeline.now_s += timeline.between(self._turn_s)
        # Asked at every turn, so nothing is called for what never happens.
        if self.faults.stall and timeline.happens(self.faults.stall):
            wait_s = timeline.random.random() * self.faults.stall_s
            self.schedule(wait_s, partial(timeline.runnable.append, cell), work=True)
            return
        message = cell.box.get()
        if message is not NOTHING:
            is_wrapped = isinstance(message, Envelope | Redelivered)
            content = message.message if is_wrapped else message
            timeline.note(cell.name, type(content).__name__)
            self._handle(cell, message)
        cell.box.release()

    def _handle(self, cell: Cell, message: Any) -> None:
        if not self.faults.crash:
            cell.handle(message)
            return
        may_crash = cell.parent is not None and not isinstance(message, _NEVER_CRASHED)
        if not may_crash or cell.box.dead or not self.timeline.happens(self.faults.crash):
            cell.handle(message)
            return
        # An answer given cannot be taken back, so an ask fails before its effects.
        if self.timeline.happens(0.5) and not isinstance(message, Envelope):
            cell.handle(message)
            if cell.actor is None or cell.stopping:
                return
        cell.crash(message, InjectedError("A crash made by the simulation."))

    def _resume(self, call: greenlet) -> None:
        self._parked.pop(call, None)
        timeline = self.timeline
        timeline.note("call", "")
        timeline.call = call
        call.parent = getcurrent()
        try:
            call.switch()
        finally:
            timeline.call = None

    def _die(self) -> None:
        self.is_dead = True
        self.timeline.forget(self)
        parked, self._parked = self._parked, {}
        for call in parked:
            # Left parked, it would be unwound at some moment of the garbage collector's choice.
            call.parent = getcurrent()
            with suppress(BaseException):
                call.throw(Killed)

    def _adopt(self, cell: Cell) -> None:
        cell.box.ready = self.timeline.runnable.append

    def _new_ref(self, name: str, cls: type[Any], box: Mailbox) -> Ref:
        return SimulatedRef(name, cls, box, self)
