"""The lines in front of the broker: who waits, since when, and who is next."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from actors.messages import BrokerCall, Line, ListOrders, LookUp, Place
from actors.runtime import Ref

# Under a flood of new orders polling still has its share, only later.
POLL_PATIENCE_S = 1.0
# So many lookups, then a new order if one waits.
LOOKUPS_IN_A_ROW = 3


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
    """One queue for each line; within a line, first come, first served.

    Many orders in doubt ask for ever: under their lookups new orders and polling have a share.
    """

    def __init__(self) -> None:
        self._lookups_in_a_row = 0
        self._lines: dict[Line, deque[Waiting]] = {line: deque() for line in Line}

    def __bool__(self) -> bool:
        """True when somebody waits."""
        return any(self._lines.values())

    def put(self, waiting: Waiting) -> None:
        """Join a line: new orders in the order of their turns, all else as it comes.

        Somebody who asks the same again keeps the old place.
        """
        line = self._lines[waiting.line]
        if waiting.line is Line.NEW:
            behind = len(line)
            while behind and line[behind - 1].serial > waiting.serial:
                behind -= 1
            line.insert(behind, waiting)
            return
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

    def is_poll_due(self, now_s: float) -> bool:
        """Return whether polling is next: nobody else waits, or it has waited for too long."""
        polls = self._lines[Line.POLL]
        if not polls or self.has(Line.CANCEL):
            return False
        is_alone = not self.has(Line.NEW) and not self.has(Line.LOOK_UP)
        return is_alone or now_s - polls[0].since_s > POLL_PATIENCE_S

    def next_turn(self) -> int | None:
        """Return the turn of the new order that is next, or None when something else is."""
        if self.has(Line.CANCEL) or not self.has(Line.NEW):
            return None
        if self.has(Line.LOOK_UP) and not self._is_new_next():
            return None
        return self._lines[Line.NEW][0].serial

    def first(self, *, is_poll: bool) -> Waiting | None:
        """Take out who is next; polls go only when ``is_poll``."""
        if is_poll:
            return self._lines[Line.POLL].popleft()
        if self.has(Line.CANCEL):
            return self._lines[Line.CANCEL].popleft()
        if self.has(Line.LOOK_UP) and not self._is_new_next():
            self._lookups_in_a_row += 1
            return self._lines[Line.LOOK_UP].popleft()
        self._lookups_in_a_row = 0
        return self._lines[Line.NEW].popleft() if self.has(Line.NEW) else None

    def _is_new_next(self) -> bool:
        return self.has(Line.NEW) and self._lookups_in_a_row >= LOOKUPS_IN_A_ROW

    def other_lists(self, first: Waiting) -> tuple[Waiting, ...]:
        """Take out the lookups that the list asked for by ``first`` answers as well."""
        line = self._lines[Line.LOOK_UP]
        if first.line is not Line.LOOK_UP or listed_since(first.call) is None:
            return ()
        others = tuple(one for one in line if listed_since(one.call) is not None)
        self._lines[Line.LOOK_UP] = deque(one for one in line if one not in others)
        return others

    def next_new(self, most: int, *, before: float) -> Iterator[Waiting]:
        """Take out the new orders that are next and whose turns came ``before`` that one."""
        queue = self._lines[Line.NEW]
        while most and queue and queue[0].serial < before:
            most -= 1
            yield queue.popleft()

    def drop_late(self, now_s: float) -> Iterator[Waiting]:
        """Take out the new orders whose time to be sent has passed, oldest first."""
        queue = self._lines[Line.NEW]
        while queue and isinstance(call := queue[0].call, Place) and call.send_by_s <= now_s:
            yield queue.popleft()

    def serials(self) -> frozenset[int]:
        """Return the turns whose calls stand in line."""
        return frozenset(waiting.serial for waiting in self._lines[Line.NEW])


def listed_since(call: BrokerCall) -> datetime | None:
    """Return from when on a call lists all orders; None for every other call."""
    return call.since if isinstance(call, LookUp | ListOrders) else None
