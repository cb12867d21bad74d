"""One thread works; the other steps in for as long as the first is held up."""

import threading

import pytest

from actors.runtime import Actor

WITHIN_S = 10.0


class Noter(Actor):
    """Notes which thread ran it."""

    def __init__(self, noted):
        super().__init__()
        self._noted = noted

    def on_receive(self, message):
        self._noted.append(threading.current_thread().name)
        return message


class Stuck(Actor):
    """Does not come back before the test lets it."""

    def __init__(self, entered, let_go):
        super().__init__()
        self._entered, self._let_go = entered, let_go

    def on_receive(self, message):
        self._entered.set()
        assert self._let_go.wait(WITHIN_S)
        return message


@pytest.fixture
def stuck(live):
    """Return an actor, and the event that frees it; it is stuck already."""
    entered, let_go = threading.Event(), threading.Event()
    ref = live.system.spawn(Stuck, entered, let_go)
    ref.tell("hold")
    assert entered.wait(WITHIN_S)
    yield ref, let_go
    let_go.set()


def test_one_thread_does_the_work_of_many_actors(live):
    noted = []
    refs = [live.system.spawn(Noter, noted) for _ in range(20)]
    for ref in refs:
        assert ref.ask("all there", timeout=WITHIN_S)

    for _ in range(100):
        for ref in refs:
            ref.tell("work")
    for ref in refs:
        assert ref.ask("done", timeout=WITHIN_S)

    # The other one may have looked in when this machine was slow.
    assert noted.count("actors") > len(noted) // 2


def test_the_others_go_on_while_one_is_stuck(live, stuck):
    noted = []
    ref = live.system.spawn(Noter, noted)

    for number in range(50):
        assert ref.ask(number, timeout=WITHIN_S) == number

    assert set(noted) == {"actors-stand-by"}


def test_what_was_queued_before_it_got_stuck_goes_on_as_well(live):
    entered, let_go = threading.Event(), threading.Event()
    held, noted = live.system.spawn(Stuck, entered, let_go), []
    ref = live.system.spawn(Noter, noted)

    held.tell("hold")
    answer = ref.ask("nothing comes after this", block=False)

    assert answer.get(timeout=WITHIN_S)
    let_go.set()


def test_the_first_thread_goes_on_when_it_is_free_again(live, stuck):
    ref, let_go = stuck
    let_go.set()
    assert ref.ask("free", timeout=WITHIN_S)
    noted = []
    other = live.system.spawn(Noter, noted)

    for _ in range(200):
        other.ask("work", timeout=WITHIN_S)

    assert "actors" in noted


def test_both_threads_end_with_the_system(live):
    live.system.spawn(Noter, []).ask("there", timeout=WITHIN_S)

    assert live.system.stop() == ()

    names = {thread.name for thread in live.system._threads if thread.is_alive()}
    assert names == set()


class Appender(Actor):
    """Asks for the bell while it works, and notes what came first."""

    def __init__(self, crew, noted):
        super().__init__()
        self._crew, self._noted = crew, noted

    def on_receive(self, message):
        self._crew.when_idle(lambda: self._noted.append("bell"))
        self._noted.append(message)
        return message


def test_the_bell_waits_for_the_actors_that_have_something_to_read(live, stuck):
    ref, let_go = stuck
    noted, crew = [], live.system._crew
    appenders = [live.system.spawn(Appender, crew, noted) for _ in range(3)]
    for one in appenders:
        assert one.ask("there", timeout=WITHIN_S)
    let_go.set()
    assert ref.ask("free", timeout=WITHIN_S)
    entered, let_go = threading.Event(), threading.Event()
    held = live.system.spawn(Stuck, entered, let_go)
    noted.clear()

    held.tell("hold")
    answers = [one.ask("work", block=False) for one in appenders]
    let_go.set()
    for answer in answers:
        answer.get(timeout=WITHIN_S)
    assert held.ask("free", timeout=WITHIN_S)

    assert noted.count("work") == 3
    assert noted.count("bell") == 3


def test_the_bell_rings_at_once_when_nobody_works(live):
    assert live.system.spawn(Noter, []).ask("there", timeout=WITHIN_S)
    rung = threading.Event()

    while not rung.is_set():
        live.system._crew.when_idle(rung.set)

    assert rung.is_set()


def test_the_bell_rings_while_there_is_no_end_of_work(live):
    rung = threading.Event()

    class Busy(Actor):
        def on_receive(self, message):
            if message == "first":
                live.system._crew.when_idle(rung.set)
            if not rung.is_set():
                self.ref.tell("again")

    live.system.spawn(Busy).tell("first")

    assert rung.wait(WITHIN_S)


def test_the_bell_rings_while_whoever_asked_for_it_is_stuck(live):
    rung, let_go = threading.Event(), threading.Event()

    class Held(Actor):
        def on_receive(self, message):
            live.system._crew.when_idle(rung.set)
            assert let_go.wait(WITHIN_S)
            return message

    answer = live.system.spawn(Held).ask("hold", block=False)

    assert rung.wait(WITHIN_S)

    let_go.set()
    assert answer.get(timeout=WITHIN_S)
