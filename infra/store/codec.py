"""Domain events to JSON text and back, driven by their own annotations: no second model.

The text is exact (Decimal as written, times with microseconds) and the same for equal values:
fields in the order of their class, sets and mappings sorted. A field added later reads as its
default in older rows.
"""

import dataclasses
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final, get_args, get_type_hints

import msgspec

from domain.errors import StoreError
from domain.events import EVENTS
from domain.position import PositionChanged

UPCASTS: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = {}
"""Retired kinds: from their plain JSON to an event of today.

An event whose meaning changes gets a new name; its old name and a function move here, so that
older journals stay readable.
"""

_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


class Codec:
    """Encodes and decodes the events it was given; a kind is the name of an event's class."""

    def __init__(self, kinds: Iterable[type]) -> None:
        self._times: dict[type, tuple[Callable[[Any], datetime | None], ...]] = {}
        self._decoders: dict[str, msgspec.json.Decoder[Any]] = {}
        for kind in kinds:
            assert kind.__name__ not in self._decoders, f"two events are named {kind.__name__}"
            self._times[kind] = tuple(attrgetter(path) for path in _time_paths(kind))
            self._decoders[kind.__name__] = msgspec.json.Decoder(kind)

    def encode(self, event: Any) -> tuple[str, str]:
        """Return the event's kind and its text.

        Raises:
            TypeError: It is not an event of the journal.
            ValueError: One of its times has no zone.
        """
        kind = type(event)
        times = self._times.get(kind)
        if times is None:
            msg = f"{kind.__name__} is not an event of the journal"
            raise TypeError(msg)
        for time_of in times:
            at = time_of(event)
            if at is not None and at.tzinfo is None:
                msg = f"{kind.__name__} holds a time without a zone: {at}"
                raise ValueError(msg)
        return kind.__name__, _ENCODER.encode(event).decode()

    def decode(self, kind: str, text: str) -> Any:
        """Return the event.

        Raises:
            StoreError: The kind is unknown here, or the text is not one of that kind.
        """
        try:
            if kind in UPCASTS:
                return UPCASTS[kind](msgspec.json.decode(text))
            return self._decoders[kind].decode(text)
        except KeyError as error:
            msg = f"The journal holds {kind!r}, which this version does not know: upgrade Oncefill."
            raise StoreError(msg) from error
        except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors.
            msg = f"The journal holds a {kind} that cannot be read: {error}."
            raise StoreError(msg) from error


def _time_paths(kind: type, prefix: str = "") -> Iterator[str]:
    """Yield the dotted names of all times in ``kind`` that are reached without a None between."""
    for name, hint in get_type_hints(kind).items():
        is_optional = types.NoneType in get_args(hint)
        if datetime in (hint, *get_args(hint)):
            yield prefix + name
        elif dataclasses.is_dataclass(hint) and isinstance(hint, type) and not is_optional:
            yield from _time_paths(hint, f"{prefix}{name}.")


def utc_text(at: datetime) -> str:
    """Return a time as the store writes it: UTC, microseconds always, so that text sorts."""
    assert at.tzinfo is not None, f"a time without a zone: {at}"
    # datetime.isoformat() takes three times as long, and there are several in every row.
    text = _ENCODER.encode(at if at.tzinfo is UTC else at.astimezone(UTC))[1:-2].decode()
    return f"{text}Z" if at.microsecond else f"{text}.000000Z"


def utc_time(text: str) -> datetime:
    """Return the time that ``utc_text`` wrote."""
    return datetime.fromisoformat(text)


def is_utc_text(text: Any) -> bool:
    """Return whether a time is in the form that ``utc_text`` writes."""
    try:
        at = utc_time(text)
        return at.tzinfo is not None and utc_text(at) == text
    except (OverflowError, TypeError, ValueError):
        return False


CODEC: Final = Codec((*EVENTS, PositionChanged))
