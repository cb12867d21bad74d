"""The shell of every actor that keeps a stream: decide, journal, and only then act.

Events are decided at once and queued for the journal; what follows from them waits, in order, for
the commit that holds its cause. When nothing waits any more, ``proceed`` derives from the state
what is due. A restarted actor loads its stream and proceeds in the same way.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from actors.runtime import Actor
from domain.journal import Append, AppendFailed, Committed, Loaded, Query
from domain.ports import Journal

StateT = TypeVar("StateT")
Effect = Callable[[], None]


def ask_journal(actor: Actor, journal: Journal, query: Query) -> None:
    """Ask the journal; the answer comes as Loaded, marked with the life that asked."""
    ref, life = actor.ref, actor.life

    def reply(loaded: Loaded) -> None:
        ref.tell_control(Loaded(loaded.query, loaded.answer, life))

    journal.load(query, reply)


class MachineActor(Actor, ABC, Generic[StateT]):
    """Owns one stream of the journal and the state that it folds to."""

    def __init__(self, *, stream: str, journal: Journal) -> None:
        super().__init__()
        self._stream = stream
        self._journal = journal
        self._creator: int | None = None  # Who may still be writing the stream's first events.
        self._held: deque[tuple[Effect, ...]] = deque()
        self._state: StateT | None = None

    @property
    def state(self) -> StateT:
        """Return the state after everything decided so far, committed or not."""
        assert self._state is not None, f"{self._stream} is not loaded"
        return self._state

    @property
    def is_durable(self) -> bool:
        """True when everything decided has been committed."""
        return not self._held

    def on_start(self) -> None:
        """Begin with the state at hand, or load the stream; the mailbox waits for that."""
        state = self.initial()
        if state is not None:
            self._begin(state)
            return
        self.loading()
        ask_journal(self, self._journal, self.query())

    def on_receive(self, message: Any) -> None:
        """Take the journal's replies; everything else is for ``handle``."""
        match message:
            case Committed():
                if message.append.life == self.life:
                    self._on_committed()
            case AppendFailed():
                if message.append.life == self.life:
                    self.on_append_failed(message.error)
            case Loaded():
                if message.life == self.life:
                    self._on_loaded(message)
            case _:
                self.handle(message)

    def append(
        self,
        state: StateT,
        events: tuple[Any, ...],
        topics: tuple[tuple[str, ...], ...],
        *,
        version: int,
        then: tuple[Effect, ...] = (),
    ) -> None:
        """Take ``state`` for true and journal how it came about; ``then`` follows the commit."""
        self._state = state
        self._held.append(then)
        batch = Append(
            stream=self._stream,
            version=version,
            events=events,
            topics=topics,
            state=state,
            life=self.life,
            creator=self._creator,
        )
        self._journal.append(batch, self.ref.tell_control)

    def when_durable(self, effect: Effect) -> None:
        """Run ``effect`` once all that was decided so far is committed."""
        if self._held:
            self._held[-1] = (*self._held[-1], effect)
        else:
            effect()

    def _on_loaded(self, loaded: Loaded) -> None:
        if self._state is not None:
            self.handle(loaded)
            return
        self._begin(self.restore(loaded.answer))
        self.loaded()

    def _begin(self, state: StateT) -> None:
        self._state = state
        self.proceed()

    def _on_committed(self) -> None:
        for effect in self._held.popleft():
            effect()
        if not self._held:
            self.proceed()

    def on_append_failed(self, error: Exception) -> None:
        """React to an append that was not written; by default: forget everything, start again."""
        raise error

    @abstractmethod
    def initial(self) -> StateT | None:
        """Return the state to begin with, or None when the journal must be asked."""

    @abstractmethod
    def query(self) -> Query:
        """Return the question whose answer ``restore`` understands."""

    @abstractmethod
    def restore(self, answer: Any) -> StateT:
        """Return the state that the journal's answer folds to."""

    @abstractmethod
    def handle(self, message: Any) -> None:
        """Handle one message. An exception means: forget everything, start again."""

    @abstractmethod
    def proceed(self) -> None:
        """Do what the durable state calls for; called whenever nothing waits for a commit."""
