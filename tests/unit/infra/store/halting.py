"""Halting and resuming a store as another program does, and asking its guard."""

from domain.errors import HaltedError
from domain.halt import ACCOUNT
from infra.store.halts import lift_halt, set_halt
from tests.fakes_time import ManualClock
from tests.unit.domain.test_halt import halted, resumed
from tests.unit.infra.store.stores import passes

CLOCK = ManualClock()


def halt(store, scope=ACCOUNT, wait_s=0.2):
    return set_halt(store.path, halted(scope), clock=CLOCK, wait_s=wait_s)


def resume(store, scope=ACCOUNT):
    return lift_halt(store.path, resumed(scope), clock=CLOCK)


def is_held(guard, symbol="005930", strategy_id=""):
    try:
        passes(guard, symbol, strategy_id)
    except HaltedError:
        return True
    return False
