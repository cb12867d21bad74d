"""The base class of every actor."""

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, ClassVar, Literal, NoReturn

import pykka

from actors.runtime.cell import Cell
from actors.runtime.home import Home
from actors.runtime.mailbox import Mailbox, Ref
from actors.runtime.messages import Done
from actors.runtime.ports import System
from domain.supervision import RestartPolicy


class Actor(pykka.Actor):
    """One thing at a time, its own state, and a supervisor: override the ``on_`` methods.

    An exception means: forget everything and begin again with the same arguments, the same
    address and what is still queued. Handlers return in milliseconds; what blocks goes through
    ``call``, what waits through ``after``.

    Attributes:
        own_thread: Ask a live system for a thread instead of a share of the pool.
        policy: How often and how soon a failed child starts again.
        exhausted: What becomes of a child that failed too often: it is stopped, or its failure
            becomes mine.
        redeliver: How often a message that crashed this actor is tried again before it is set
            aside.
    """

    own_thread: ClassVar[bool] = False
    policy: ClassVar[RestartPolicy] = RestartPolicy()
    exhausted: ClassVar[Literal["stop", "escalate"]] = "escalate"
    redeliver: ClassVar[int] = 1

    _cell: Cell
    _life: int

    # pykka's own would give a random name, a second mailbox and a 1 KB event per actor; what it
    # sets is set by bind().
    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        pass

    def bind(self, cell: Cell, life: int) -> None:
        """Give the actor its address; the runtime calls this before ``__init__``."""
        self._cell = cell
        self._life = life
        self.actor_urn = cell.name
        self.actor_inbox = cell.box
        self._actor_ref = cell.ref

    @classmethod
    def start(cls, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Refuse: pykka's registry is a list, and nobody would supervise the actor."""
        msg = f"Use system.spawn({cls.__name__}, ...) or self.spawn(...) instead of start()."
        raise TypeError(msg)

    @property
    def ref(self) -> Ref:
        """My address, the same in every life."""
        return self._cell.ref

    @property
    def name(self) -> str:
        """My name, unique in the system."""
        return self._cell.name

    @property
    def life(self) -> int:
        """The number of this life; no other life in the process has it."""
        return self._life

    @property
    def system(self) -> System:
        """Time, and other things that are not an actor's own."""
        return self._home

    def spawn(self, cls: type["Actor"], *args: Any, name: str | None = None, **kwargs: Any) -> Ref:
        """Start a child, or return the actor that has this name.

        The arguments are kept for its restarts. Its constructor runs in its own first turn, so a
        failing one is the supervisor's matter, not the caller's.
        """
        return self._home.spawn_child(self._cell, cls, name, args, kwargs)

    def after(self, seconds: float, message: Any, key: Hashable | None = None) -> None:
        """Tell myself a message later, unless this life ends before.

        Args:
            seconds: How long to wait on the monotonic clock.
            message: What ``on_receive`` gets.
            key: A timer with the same key is replaced; without a key timers stand side by side.
        """
        if self._cell.actor is self:
            self._cell.set_timer(seconds, message, key)

    def cancel_timer(self, key: Hashable) -> None:
        """Forget the timer with this key, if there is one."""
        if self._cell.actor is self:
            self._cell.cancel_timer(key)

    def call(self, tag: Any, function: Callable[..., Any], *args: Any, keep: bool = False) -> None:
        """Run a function that may block off the actor; its end comes back as ``Done``.

        Args:
            tag: Comes back in ``Done`` to tell one call from another.
            function: Runs in another thread, so it must not touch this actor's state.
            *args: The function's arguments.
            keep: Deliver ``Done`` to later lives too, instead of dropping it with this one.
        """
        answer = partial(Done, tag=tag, life=self._life, keep=keep)
        self._home.submit(partial(_answer_with, self._home, self._cell.box, answer, function, args))

    def loading(self) -> None:
        """Hold what I am told until ``loaded``; only in ``on_start``.

        Control messages, timers and ``Done`` are delivered meanwhile.
        """
        self._cell.is_loading = True

    def loaded(self) -> None:
        """Read what I was told while I was loading."""
        if self._cell.actor is self:
            self._cell.is_loading = False
            self._cell.open()

    def stop_self(self) -> None:
        """Stop when this message is done; what waits behind it becomes dead letters."""
        if self._cell.actor is self:
            self._cell.stop_soon()

    def on_child_stopped(self, ref: Ref) -> None:
        """React to the end of a child; not called while I am stopping myself."""

    @property
    def _home(self) -> Home:
        return self._cell.home

    @staticmethod
    def _create_actor_inbox() -> Mailbox:
        return Mailbox()

    @staticmethod
    def _create_future() -> pykka.Future[Any]:
        return pykka.ThreadingFuture()

    def _start_actor_loop(self) -> None:
        # The system starts the cell, and the cell makes the actor: there is no loop to start.
        pass


def _answer_with(
    home: Home,
    box: Mailbox,
    answer: Callable[..., Done],
    function: Callable[..., Any],
    args: tuple[Any, ...],
) -> None:
    try:
        done = answer(value=function(*args))
    except BaseException as error:
        if home.is_above_actors(error):
            raise
        done = answer(error=error)
    box.put_control(done)
