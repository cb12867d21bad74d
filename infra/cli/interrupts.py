"""A command that is told to end stops as on Ctrl-C: its engine drains and writes its last row.

SIGTERM comes from a service manager, SIGHUP from a terminal that closes. A handler here notes or
raises and does nothing else: it may run between any two steps of the main thread.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from signal import SIGHUP, SIGINT, SIGTERM
from threading import current_thread, main_thread
from time import monotonic
from types import FrameType
from typing import Any, Final

# What shells report for a command that a signal ended: this and the signal's number.
SHELL_BASE: Final = 128

# timeout(1) and closing terminals send theirs twice at once; the stop must not be cut by that.
_ECHO_S: Final = 1.0


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP; ends a command by the way of Ctrl-C.

    Attributes:
        number: The signal's.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def cause_of(interrupt: KeyboardInterrupt) -> str:
    """Return what interrupted, in words: ``Ctrl-C``, ``SIGTERM``."""
    return signal.Signals(interrupt.number).name if isinstance(interrupt, Terminated) else "Ctrl-C"


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """Return the exit code of a command that was interrupted: 130, 143 or 129."""
    return SHELL_BASE + (interrupt.number if isinstance(interrupt, Terminated) else SIGINT)


@contextmanager
def terminable() -> Iterator[None]:
    """Raise Terminated inside on SIGTERM and SIGHUP; those told to be ignored stay so (nohup)."""
    with _handled((SIGTERM, SIGHUP), _Raiser()):
        yield


@contextmanager
def held_back() -> Iterator[Callable[[], None]]:
    """Give a function that raises what came since, Ctrl-C or Terminated; a second one raises."""
    noted: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if not noted:
            noted.append(number)
            _ECHOES.begin()
        elif number == SIGINT or not _ECHOES.is_echo():
            _raise(number)

    def check() -> None:
        if noted:
            _raise(noted[0])

    with _handled((SIGINT, SIGTERM, SIGHUP), note):
        yield check


class _Echoes:
    """Whether a signal is the first one said again; of all handlers, as they take turns."""

    def __init__(self) -> None:
        self._until_s = 0.0

    def begin(self) -> None:
        """What comes within a second of this is an echo."""
        self._until_s = monotonic() + _ECHO_S

    def end(self) -> None:
        """What comes is new."""
        self._until_s = 0.0

    def is_echo(self) -> bool:
        """Return whether what comes at this moment is one."""
        return monotonic() < self._until_s


_ECHOES: Final = _Echoes()


class _Raiser:
    """Raises Terminated, once for a signal that is said twice."""

    def __init__(self) -> None:
        _ECHOES.end()

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if not _ECHOES.is_echo():
            _ECHOES.begin()
            _raise(number)


def _raise(number: int) -> None:
    raise KeyboardInterrupt if number == SIGINT else Terminated(number)


@contextmanager
def _handled(
    numbers: tuple[signal.Signals, ...], handler: Callable[[int, FrameType | None], Any]
) -> Iterator[None]:
    # Python hands signals to the main thread alone, and lets no other set what is done then.
    if current_thread() is not main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in numbers}
    # None: a handler of somebody's C code, which could not be put back.
    caught = [number for number in numbers if before[number] not in {signal.SIG_IGN, None}]
    try:
        for number in caught:
            signal.signal(number, handler)
        yield
    finally:
        for number in caught:
            signal.signal(number, before[number])
