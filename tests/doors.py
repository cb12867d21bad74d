"""A door in front of the engine of a desk."""

from contextlib import contextmanager
from threading import Event

from infra.signals.address import socket_path
from infra.signals.desk import Desk, Served
from infra.signals.door import Door


@contextmanager
def a_door(desk):
    """Open a door of a running desk, and shut it afterwards; gives what is served."""
    served = Served(
        engine=desk.engine,
        store=desk.path,
        started_at=desk.clock.now(),
        ready=Event(),
        stopping=Event(),
    )
    door = Door(socket_path(desk.path), Desk(served), line_s=0.3)
    door.open()
    yield served
    door.shut()
    door.close()
    assert not socket_path(desk.path).exists()
