"""Publishes the journal, in its order, to whoever subscribed from whatever number.

It reads what was committed; a wake-up only says that there is more. Subscribers run in this
actor's own thread, so a slow one delays screens and logs, never an order.
"""

from collections.abc import Callable
from typing import Any

import structlog

from actors.machine import ask_journal
from actors.messages import Subscribe, Unsubscribe, Wake
from actors.runtime import Actor
from domain.errors import error_text
from domain.journal import Loaded, LoadRecords, Record
from domain.ports import Journal

log = structlog.get_logger()

BATCH = 1000


class EventBus(Actor):
    """Keeps one place in the journal for each subscriber."""

    own_thread = True

    def __init__(self, journal: Journal, subscribers: dict[str, Subscribe]) -> None:
        super().__init__()
        self._journal = journal
        self._subscribers = subscribers  # Shared with the engine: outlives this life.
        self._head = 0
        self._is_asking = False

    def on_start(self) -> None:
        """Catch up with what was committed meanwhile."""
        self._ask()

    def on_receive(self, message: Any) -> None:
        """Handle one message."""
        match message:
            case Wake(seq=seq):
                self._head = max(self._head, seq)
            case Subscribe(name=name):
                self._subscribers[name] = message
                self._head = 0  # Nobody was told how far the journal is while nobody listened.
            case Unsubscribe(name=name):
                self._subscribers.pop(name, None)
            case Loaded(query=LoadRecords(after_seq=asked_from), answer=records, life=life):
                if life == self.life:
                    self._is_asking = False
                    self._publish(asked_from, records)
            case _:
                msg = f"the event bus cannot handle {type(message).__name__}"
                raise TypeError(msg)
        self._ask()

    def _ask(self) -> None:
        if self._is_asking or not self._subscribers:
            return
        after_seq = min(one.after_seq for one in self._subscribers.values())
        if after_seq < self._head or self._head == 0:
            self._is_asking = True
            ask_journal(self, self._journal, LoadRecords(after_seq, BATCH))

    def _publish(self, asked_from: int, records: tuple[Record, ...]) -> None:
        # A whole batch means that there may be more, whatever the wake-ups said.
        more = 1 if len(records) == BATCH else 0
        self._head = max(self._head, records[-1].seq + more if records else 1)
        for name, subscriber in tuple(self._subscribers.items()):
            after_seq = subscriber.after_seq
            if after_seq < asked_from:
                continue  # It came after the question and wants to begin earlier.
            for record in records:
                if record.seq > after_seq:
                    _tell(name, subscriber.sink, record)
                    after_seq = record.seq
            if self._subscribers.get(name) is subscriber:
                self._subscribers[name] = Subscribe(name, subscriber.sink, after_seq)


def _tell(name: str, sink: Callable[[Any], None], record: Record) -> None:
    try:
        sink(record)
    except Exception as error:  # noqa: BLE001 - a stranger's code; the others must still hear.
        kind, text = type(error).__name__, error_text(error)
        log.warning("subscriber.failed", subscriber=name, seq=record.seq, kind=kind, error=text)
