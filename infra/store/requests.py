"""What waits for the writer: appends, encoded by their callers, and loads."""

from dataclasses import dataclass
from typing import TypeAlias

from domain.journal import Append, AppendReply, LoadReply, Query


@dataclass(frozen=True, slots=True)
class AppendRequest:
    """Events to write. ``encoded`` holds (kind, topics, data) for each, as the row has them."""

    batch: Append
    reply: AppendReply
    encoded: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """A question to answer in its place among the appends."""

    query: Query
    reply: LoadReply


Request: TypeAlias = AppendRequest | LoadRequest
