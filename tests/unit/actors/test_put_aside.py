"""A message that crashed its reader twice is put aside: nothing waits for it for ever."""

from dataclasses import replace
from datetime import timedelta

from domain.session import ALWAYS_OPEN, Session
from tests.desks import START, buy
from tests.unit.actors.rigs import NO_STREAM, NotedDesk, setting
from tests.unit.actors.tales import LIMIT

# 15:40 in Seoul, after the close: nothing else makes the tracker look.
CLOSED = START + timedelta(hours=5, minutes=40)


class LateDesk(NotedDesk):
    """A desk whose broker trades at any hour."""

    def open_gateway(self, clock, scheduler, faults):
        ours, self.settings = self.settings, replace(self.settings, session=ALWAYS_OPEN)
        gateway = super().open_gateway(clock, scheduler, faults)
        self.settings = ours
        return gateway


class Refusing(dict):
    """Cannot be written to twice; then it is a dict like any other."""

    left = 2

    def __setitem__(self, key, value):
        if self.left:
            self.left -= 1
            msg = "no room"
            raise OSError(msg)
        super().__setitem__(key, value)


def test_an_order_whose_wish_to_be_followed_was_put_aside_is_followed_later(tmp_path):
    desk = setting(LateDesk(tmp_path), session=Session())
    desk.faults = NO_STREAM
    desk.start(at=CLOSED).run_for(2)
    cell = desk.engine.actor("tracker").actor_inbox.cell
    cell.args = (*cell.args[:3], Refusing())
    desk.crash("tracker")
    desk.run_for(3)

    desk.tell(buy(limit_px=LIMIT))
    desk.resting()
    desk.until(lambda: any(record.event.message_kind == "Follow" for record in aside(desk)))
    desk.run_for(5)
    desk.quote(59_000)

    desk.until_status("FILLED", within_s=90)
    desk.stop()


def aside(desk):
    return [record for record in desk.records if record.kind == "Quarantined"]
