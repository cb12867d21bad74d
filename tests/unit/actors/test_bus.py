"""Publishing the journal: everything once, in order, to each subscriber from its own place."""

import structlog

from actors.bus import BATCH, EventBus
from actors.messages import Subscribe, Unsubscribe, Wake
from actors.runtime import Actor
from domain.events import EngineStopped
from domain.journal import Append
from infra.store.reading import open_reader
from tests.desks import START, buy
from tests.fakes import MemoryStore

IDS = [f"s-{n}" for n in range(10)]


class Sink(Actor):
    """An actor that subscribes."""

    def __init__(self, heard):
        self._heard = heard

    def on_receive(self, record):
        self._heard.append(record.seq)


def journaled(desk):
    with open_reader(desk.path) as reader:
        return [record.seq for record in reader.records()]


def test_a_subscriber_gets_everything_once_and_in_order(desk):
    desk.start()
    desk.tell(*(buy(one, 1) for one in IDS))
    desk.until_rest(*IDS)

    desk.run_for(1)

    assert [record.seq for record in desk.records] == journaled(desk)


def test_a_later_subscriber_gets_what_came_after_its_sequence(desk):
    desk.start().tell(buy())
    desk.until_rest()
    desk.run_for(1)
    heard = []

    desk.engine.subscribe(lambda record: heard.append(record.seq), after_seq=3)
    desk.run_for(1)
    desk.tell(buy("s-2"))
    desk.until_rest("s-1", "s-2")
    desk.run_for(1)

    assert heard == [seq for seq in journaled(desk) if seq > 3]


def test_an_actor_can_subscribe(desk):
    desk.start()
    heard = []
    sink = desk.system.spawn(Sink, heard)

    desk.engine.subscribe(sink)
    desk.tell(buy())
    desk.until_rest()
    desk.run_for(1)

    assert heard == journaled(desk)


def test_a_subscriber_that_raises_disturbs_nobody_and_is_told_on(desk):
    heard = []

    def broken(record):
        heard.append(record.seq)
        msg = "a bug of a stranger"
        raise ValueError(msg)

    desk.start()
    desk.engine.subscribe(broken, name="broken")
    desk.tell(buy())
    desk.until_rest()
    desk.run_for(1)

    assert heard == [record.seq for record in desk.records] == journaled(desk)
    assert desk.engine.stats().quarantined == 0


def test_who_unsubscribes_hears_nothing_more(desk):
    desk.start()
    heard = []
    name = desk.engine.subscribe(heard.append)
    desk.tell(buy())
    desk.until_rest()
    desk.engine.unsubscribe(name)
    desk.run_for(1)
    known = len(heard)

    desk.tell(buy("s-2"))
    desk.until_rest("s-1", "s-2")

    assert len(heard) == known > 0


def test_a_bus_that_crashes_goes_on_where_it_was(desk):
    desk.start()
    desk.tell(*(buy(one, 1) for one in IDS))
    for _ in range(2):
        desk.run_for(0.3)
        desk.crash("bus")

    desk.until_rest(*IDS)
    desk.run_for(1)

    assert [record.seq for record in desk.records] == journaled(desk)


def test_a_long_journal_is_read_in_parts(lone):
    store = MemoryStore(clock=lone.system)
    journal = store.journal()
    lone.system.drive(journal)
    stopped = EngineStopped(reason="test", at=START)
    count = BATCH * 2 + 7
    for _ in range(count):
        batch = Append(stream="engine", version=None, events=(stopped,), topics=(("x",),))
        journal.append(batch, lambda _: None)
    heard = []
    lone.spawn(EventBus, journal, {})

    lone.tell(Subscribe("one", lambda record: heard.append(record.seq), 0), within_s=1)

    assert heard == list(range(1, count + 1))
    lone.tell(Wake(count), Unsubscribe("one"), Unsubscribe("nobody"), within_s=1)
    assert len(heard) == count


def test_what_a_failing_subscriber_carries_is_not_logged(desk):
    def fail(_):
        msg = "canary"
        raise KeyError(msg)

    desk.start()
    with structlog.testing.capture_logs() as lines:
        desk.engine.subscribe(fail, name="fails")
        desk.run_for(1)

    failed = [line for line in lines if line["event"] == "subscriber.failed"]
    assert failed[0]["kind"] == "KeyError"
    assert failed[0]["error"].startswith("in fail, test_bus.py:")
    assert "canary" not in str(lines)


def test_one_who_comes_while_a_question_is_out_misses_nothing(desk):
    desk.start().tell(*(buy(f"s-{n}", 1) for n in range(5)))
    desk.until_rest(*(f"s-{n}" for n in range(5)))
    late = []
    desk.engine.subscribe(lambda _: None, name="ahead", after_seq=10)
    desk.engine.unsubscribe("desk")
    desk.engine.subscribe(late.append, name="late")
    desk.run_for(1)

    assert [record.seq for record in late] == list(range(1, len(late) + 1))
    assert len(late) > 20
