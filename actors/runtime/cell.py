"""The life cycle of one actor and the supervision of its children.

A cell is all of an actor but its state: it makes the state, throws it away when it failed, and
makes it again. Supervising needs no state of the actor, so a parent that waits for its own restart
still looks after its children.
"""

from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any, ClassVar

import pykka
import structlog
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from actors.runtime.home import Home
from actors.runtime.mailbox import CONTROL, LIFECYCLE, NOTHING, USER, Mailbox, Ref
from actors.runtime.messages import (
    HALT,
    LIVES,
    START,
    Done,
    EscalatedError,
    Failed,
    Halt,
    Redelivered,
    Start,
    Stopped,
    Tick,
)
from actors.runtime.timers import Timer
from domain.errors import error_text

_log = structlog.get_logger()


class Cell:
    """What survives a restart, beside the mailbox. Changed only by the holder of its token."""

    __slots__ = (
        "actor", "args", "box", "children", "cls", "escalated", "failures", "home", "is_loading",
        "kwargs", "name", "parent", "ref", "restart", "restarts", "started", "stopping", "timers",
        "waiting",
    )  # fmt: skip

    def __init__(
        self,
        home: Home,
        ref: Ref,
        parent: "Cell | None",
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> None:
        self.home = home
        self.ref = ref
        self.name = ref.actor_urn
        self.cls: Any = ref.actor_class
        self.box: Mailbox = ref.actor_inbox
        self.parent = parent
        self.args = args
        self.kwargs = kwargs
        self.actor: Any = None
        self.children: dict[Cell, None] = {}
        self.timers: dict[Hashable, tuple[Tick, Timer]] = {}
        self.is_loading = False
        # The next three are the parent's notes about this child.
        self.failures: tuple[float, ...] = ()
        self.escalated = False
        self.restart: Timer | None = None
        self.restarts = 0
        self.started = False
        self.stopping = False
        self.waiting: tuple[pykka.Future[Any], ...] = ()

    def run(self, budget: int) -> None:
        """Handle up to ``budget`` messages, then let others have the thread."""
        home, get, handle = self.home, self.box.get, self.handle
        while budget and (message := get()) is not NOTHING:
            handle(message)
            if home.halted:
                # The token is kept: nothing may make this actor runnable again.
                return
            budget -= 1
        self.box.release()

    def discard(self) -> None:
        """Count all that waits as dead letters: no thread is left to read it."""
        self.box.dead, self.box.reads = True, USER
        self.actor = None
        while (message := self.box.get()) is not NOTHING:
            if self.box.lane != LIFECYCLE:
                self.handle(message)
        self.box.release()

    def handle(self, message: Any) -> None:
        """Handle one message; whatever it raises is a failure of this actor alone."""
        try:
            self._dispatch(message)
        except BaseException as error:
            # SystemExit included: no actor may end the others.
            if self.home.is_above_actors(error):
                raise
            self.crash(message, error)

    def open(self) -> None:
        """Let the actor read what it is told, unless it is about to stop."""
        if not self.stopping:
            self.box.reads = USER

    def stop_soon(self) -> None:
        """Read nothing more, and stop when the message under way is done."""
        self.stopping = True
        self.box.reads = LIFECYCLE
        self.box.put_lifecycle(HALT)

    def crash(self, message: Any, error: BaseException) -> None:
        """Throw the state away, put the message back or aside, and tell the supervisor."""
        actor, self.actor = self.actor, None
        self.box.reads = LIFECYCLE
        _log.error("actor.failed", actor=self.name, **_names(message, error))
        if actor is not None:
            self._cancel_timers()
            self._guard("on_failure", actor.on_failure, type(error), error, error.__traceback__)
        self._put_back_or_aside(message, error)
        if self.stopping:
            # Its Halt is on the way; there is nothing to decide for the supervisor.
            self.box.put_lifecycle(HALT)
        elif self.parent is None:
            self.home.fatal(error)
        else:
            self.parent.box.put_lifecycle(Failed(child=self, error=error))

    def set_timer(self, seconds: float, message: Any, key: Hashable | None) -> None:
        """Tell this life a message later, in place of the timer with the same key."""
        tick = Tick(key=key, message=message)
        if key is None:
            # Each timer without a key is its own.
            tick = Tick(key=object(), message=message)
        else:
            self.cancel_timer(key)
        timer = self.home.schedule(seconds, partial(self.box.put_control, tick))
        self.timers[tick.key] = (tick, timer)

    def cancel_timer(self, key: Hashable) -> None:
        """Forget a timer; one that went off and was not read yet is forgotten as well."""
        current = self.timers.pop(key, None)
        if current is not None:
            current[1].cancel()

    def _cancel_timers(self) -> None:
        for _, timer in self.timers.values():
            timer.cancel()
        self.timers = {}

    def _dispatch(self, message: Any) -> None:
        special = self._special.get(type(message))
        if special is not None:
            special(self, message)
        elif self.actor is not None:
            self.actor.on_receive(message)
        else:
            self.home.dead_letter(self.name, message)

    def _put_back_or_aside(self, message: Any, error: BaseException) -> None:
        again = type(message) is Redelivered
        inner, crashes = (message.message, message.crashes + 1) if again else (message, 1)
        if type(inner) is Envelope:
            # Who asked hears of the failure and decides; asking twice is not ours to do.
            if inner.reply_to is not None:
                inner.reply_to.set_exception((type(error), error, error.__traceback__))
        elif self.box.lane == LIFECYCLE or _dies_with_its_life(inner):
            return
        elif crashes <= self.cls.redeliver:
            self.box.put_back(Redelivered(message=inner, crashes=crashes), self.box.lane)
        else:
            _log.error("actor.quarantined", actor=self.name, **_names(inner, error))
            self._guard("on_quarantine", self.home.quarantined, self.name, _content(inner), error)

    def _start(self, _: Start) -> None:
        if self.actor is not None or self.stopping or self.box.dead:
            return
        is_restart, self.started = self.started, True
        # A fresh object: whatever still holds the old one cannot touch the new state.
        actor = self.cls.__new__(self.cls)
        actor.bind(self, next(LIVES))
        self.actor, self.is_loading = actor, False
        self.box.reads = CONTROL
        actor.__init__(*self.args, **self.kwargs)
        actor.on_start()
        if is_restart:
            self.restarts += 1
            _log.info("actor.restarted", actor=self.name, restarts=self.restarts)
            self._start_escalated()
        if not self.is_loading:
            self.open()

    def _start_escalated(self) -> None:
        """Start the children whose failures became mine: nobody else will."""
        for child in list(self.children):
            if child.escalated:
                child.escalated = False
                child.box.put_lifecycle(START)

    def _child_failed(self, failed: Failed) -> None:
        child = failed.child
        if self.stopping or child not in self.children:
            child.box.put_lifecycle(HALT)
            return
        child.failures = self.cls.policy.recent(child.failures, self.home.monotonic())
        wait_s = self.cls.policy.backoff_s(child.failures)
        if wait_s is not None:
            start = partial(child.box.put_lifecycle, START)
            child.restart = self.home.schedule(wait_s, start, work=True)
        elif self.cls.exhausted == "stop":
            _log.error("actor.stopped", actor=child.name, failures=len(child.failures))
            child.box.put_lifecycle(HALT)
        else:
            self._escalate(child, failed.error)

    def _escalate(self, child: "Cell", error: BaseException) -> None:
        failures = len(child.failures)
        child.failures, child.escalated = (), True
        # A parent that waits for its own restart has failed already; once is enough.
        if self.actor is not None:
            msg = f"{child.name} failed {failures} times: {type(error).__name__}: {error}"
            raise EscalatedError(msg) from error

    def _child_stopped(self, stopped: Stopped) -> None:
        child = stopped.child
        self.children.pop(child, None)
        if self.stopping:
            if not self.children:
                self._finish()
        elif self.actor is not None:
            self.actor.on_child_stopped(child.ref)

    def _halt(self, _: Halt) -> None:
        if self.box.dead:
            return
        self.stopping = True
        self.box.reads = LIFECYCLE
        if self.children:
            for child in list(self.children):
                child.box.put_lifecycle(HALT)
        else:
            self._finish()

    def _finish(self) -> None:
        if self.box.dead:
            return
        if self.restart is not None:
            self.restart.cancel()
        actor = self.actor
        if actor is not None:
            self._guard("on_stop", actor.on_stop)
            self._cancel_timers()
        self.actor, self.args, self.kwargs = None, (), {}
        self.box.dead = True
        # From here on everything that waits or comes is read as a dead letter.
        self.box.reads = USER
        self.home.forget(self)
        if self.parent is not None:
            self.parent.box.put_lifecycle(Stopped(child=self))
        for future in self.waiting:
            future.set(None)

    def _tick(self, tick: Tick) -> None:
        current = self.timers.get(tick.key)
        if current is not None and current[0] is tick:
            del self.timers[tick.key]
            self.actor.on_receive(tick.message)

    def _done(self, done: Done) -> None:
        if self.actor is None:
            if done.keep:
                self.home.dead_letter(self.name, done)
        elif done.keep or done.life == self.actor.life:
            self.actor.on_receive(done)

    def _asked(self, envelope: Envelope[Any]) -> None:
        future = envelope.reply_to
        assert future is not None
        if type(envelope.message) is _ActorStop:
            if self.box.dead:
                future.set(None)
            else:
                self.waiting = (*self.waiting, future)
                self.stop_soon()
        elif self.actor is None:
            error = pykka.ActorDeadError(f"{self.ref} stopped before it read the message.")
            future.set_exception((pykka.ActorDeadError, error, None))
        else:
            future.set(self.actor.on_receive(envelope.message))

    def _told_to_stop(self, _: _ActorStop) -> None:
        if not self.box.dead:
            self.stop_soon()

    def _again(self, redelivered: Redelivered) -> None:
        self._dispatch(redelivered.message)

    def _guard(self, hook: str, function: Callable[..., None], *args: Any) -> None:
        """Call a hook that must not change what happens next."""
        try:
            function(*args)
        except BaseException as error:
            if self.home.is_above_actors(error):
                raise
            _log.warning("actor.hook_failed", actor=self.name, hook=hook, **_names(None, error))

    _special: ClassVar[dict[type[Any], Callable[["Cell", Any], None]]] = {
        Start: _start,
        Halt: _halt,
        Failed: _child_failed,
        Stopped: _child_stopped,
        Tick: _tick,
        Done: _done,
        Redelivered: _again,
        Envelope: _asked,
        _ActorStop: _told_to_stop,
    }


def _dies_with_its_life(message: Any) -> bool:
    return type(message) is Tick or (type(message) is Done and not message.keep)


def _content(message: Any) -> Any:
    return message.message if type(message) is Tick else message


def _names(message: Any, error: BaseException) -> dict[str, str]:
    """Return what may be logged of a failure: never the message itself."""
    content = message.message if isinstance(message, Envelope | Redelivered | Tick) else message
    return {
        "message_type": type(content).__name__,
        "error_type": type(error).__name__,
        "error": error_text(error),
    }
