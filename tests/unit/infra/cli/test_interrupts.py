"""Signals that end a command end it in order, and by their own exit codes."""

from signal import SIG_IGN, SIGHUP, SIGINT, SIGTERM, getsignal, raise_signal, signal
from threading import Thread

import pytest

from infra.cli.interrupts import Terminated, cause_of, held_back
from infra.cli.main import guarded

SIGNALS = (SIGINT, SIGTERM, SIGHUP)


@pytest.fixture(autouse=True)
def _handlers():
    before = {number: getsignal(number) for number in SIGNALS}
    yield
    left = {number: getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        signal(number, handler)
    assert left == before


class Stage:
    """A command that is told to end, and takes its time over it."""

    def __init__(self, *numbers, while_stopping=()):
        self.numbers, self.while_stopping = numbers, while_stopping
        self.said = []

    def __call__(self):
        try:
            for number in self.numbers:
                raise_signal(number)
        except KeyboardInterrupt as interrupt:
            self.said.append(cause_of(interrupt))
            for number in self.while_stopping:
                raise_signal(number)
            self.said.append("stopped")
            raise
        return 0


@pytest.mark.parametrize(
    ("number", "code", "cause"),
    [(SIGINT, 130, "Ctrl-C"), (SIGTERM, 143, "SIGTERM"), (SIGHUP, 129, "SIGHUP")],
)
def test_a_signal_ends_a_command_by_the_way_of_ctrl_c(number, code, cause):
    stage = Stage(number)

    assert guarded(stage) == code
    assert stage.said == [cause, "stopped"]


def test_a_signal_said_twice_at_once_does_not_cut_the_stop():
    stage = Stage(SIGTERM, while_stopping=(SIGTERM, SIGHUP))

    assert guarded(stage) == 143
    assert stage.said == ["SIGTERM", "stopped"]


def test_one_that_comes_later_does(monkeypatch):
    monkeypatch.setattr("infra.cli.interrupts._ECHO_S", 0.0)
    stage = Stage(SIGTERM, while_stopping=(SIGHUP,))

    assert guarded(stage) == 129
    assert stage.said == ["SIGTERM"]


def test_what_was_ignored_before_stays_ignored():
    before = signal(SIGHUP, SIG_IGN)
    code = guarded(Stage(SIGHUP))
    signal(SIGHUP, before)

    assert code == 0


def test_another_thread_runs_a_command_without_them():
    codes = []

    thread = Thread(target=lambda: codes.append(guarded(lambda: 7)))
    thread.start()
    thread.join()

    assert codes == [7]


@pytest.mark.parametrize("number", SIGNALS)
def test_what_is_held_back_comes_at_the_next_check(number):
    with held_back() as check:
        check()
        raise_signal(number)
        with pytest.raises(KeyboardInterrupt) as end:
            check()

    assert getattr(end.value, "number", SIGINT) == number


def test_held_back_a_second_ctrl_c_raises_at_once_and_an_echo_does_not():
    with held_back():
        raise_signal(SIGTERM)
        raise_signal(SIGTERM)
        with pytest.raises(KeyboardInterrupt) as end:
            raise_signal(SIGINT)

    assert not isinstance(end.value, Terminated)


def test_the_echo_of_what_was_held_back_does_not_cut_the_stop():
    def replay():
        with held_back() as check:
            raise_signal(SIGTERM)
            try:
                check()
            finally:
                raise_signal(SIGTERM)
        return 0

    stopped = []

    def command():
        try:
            return replay()
        finally:
            raise_signal(SIGTERM)
            stopped.append(True)

    assert guarded(command) == 143
    assert stopped == [True]
