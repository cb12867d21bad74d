"""The lines in front of the broker: who waits, since when, and who is next."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from actors.messages import BrokerCall, Line, Place
from actors.runtime import Ref


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """A call that stands in line.

    Attributes:
        since_s: Monotonic time at which it joined the line.
        serial: The turn it was given; 0 for calls that need none.
    """

    line: Line
    asker: Ref
    call: BrokerCall
    since_s: float
    serial: int = 0


class Lines:
    """One queue for each line; within a line, first come, first served."""

    def __init__(self) -> None:
        self._lines: dict[Line, deque[Waiting]] = {line: deque() for line in Line}

    def __bool__(self) -> bool:
        """True when somebody waits."""
        return any(self._lines.values())

    def put(self, waiting: Waiting) -> None:
        """Join the end of a line; somebody who asks the same again keeps the old place."""
        line = self._lines[waiting.line]
        if waiting.line is not Line.NEW:
            for place, other in enumerate(line):
                if other.asker is waiting.asker and type(other.call) is type(waiting.call):
                    line[place] = waiting
                    return
        line.append(waiting)

    def put_back(self, waiting: Waiting) -> None:
        """Stand at the front again: the call could not be made yet."""
        self._lines[waiting.line].appendleft(waiting)

    def has(self, line: Line) -> bool:
        """Return whether somebody waits in ``line``."""
        return bool(self._lines[line])

    def only(self, line: Line) -> bool:
        """Return whether somebody waits in ``line`` and nobody in a more urgent one."""
        return self.has(line) and not any(self._lines[other] for other in Line if other < line)

    def first(self, *, may_poll: bool) -> Waiting | None:
        """Take out who is next; polls are passed over unless they may go."""
        for line, queue in self._lines.items():
            if queue and (may_poll or line is not Line.POLL):
                return queue.popleft()
        return None

    def drop_late(self, now_s: float) -> Iterator[Waiting]:
        """Take out the new orders whose time to be sent has passed, oldest first."""
        queue = self._lines[Line.NEW]
        while queue and isinstance(call := queue[0].call, Place) and call.send_by_s <= now_s:
            yield queue.popleft()

    def serials(self) -> frozenset[int]:
        """Return the turns whose calls stand in line."""
        return frozenset(waiting.serial for waiting in self._lines[Line.NEW])
