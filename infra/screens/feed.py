"""Between the engine and a screen: records come in on one thread and are read from others."""

from collections.abc import Callable
from threading import Condition
from typing import TypeVar

from domain.journal import Record
from infra.screens.model import BlotterModel, TapeLine

T = TypeVar("T")


class Feed:
    """Keeps a model up to date, one record at a time; thread-safe.

    ``take`` is what an engine's ``subscribe`` is given. It draws nothing, so that the engine's
    publisher never waits for a terminal.
    """

    def __init__(self, model: BlotterModel) -> None:
        self._model = model
        self._changed = Condition()
        self._listener: Callable[[TapeLine], None] | None = None

    def listen(self, listener: Callable[[TapeLine], None]) -> None:
        """Tell ``listener`` each new line of the tape, in order, from the publisher's thread."""
        self._listener = listener

    def take(self, record: Record) -> None:
        """Apply the next record."""
        with self._changed:
            line = self._model.apply(record)
            self._changed.notify_all()
        if line is not None and self._listener is not None:
            self._listener(line)

    def read(self, question: Callable[[BlotterModel], T]) -> T:
        """Return what ``question`` makes of the model, at one moment."""
        with self._changed:
            return question(self._model)

    def wait_until(self, is_so: Callable[[BlotterModel], bool], within_s: float) -> bool:
        """Wait until the model is so; False when it is not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: is_so(self._model), max(0.0, within_s))
