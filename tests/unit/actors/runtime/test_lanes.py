"""Loading, control messages, timers and calls, on both systems."""

import pytest

from actors.runtime import Actor, Done
from domain.supervision import RestartPolicy

SLOW = RestartPolicy(backoff_first_s=0.03)


class Loader(Actor):
    """Holds what it is told until it is told "ready"."""

    def __init__(self, log):
        super().__init__()
        self.log = log

    def on_start(self):
        self.loading()
        self.after(0.001, "timer")
        self.call("rows", lambda: "loaded")

    def on_receive(self, message):
        if isinstance(message, Done):
            self.log(message.value)
            return
        if message == "ready":
            self.loaded()
        self.log(message)


class Scripted(Actor):
    """Does what it is told by functions, which get the actor."""

    def __init__(self, log):
        super().__init__()
        self.log = log

    def on_receive(self, message):
        if callable(message):
            return message(self)
        if isinstance(message, Done):
            self.log((message.tag, message.value, type(message.error)))
            return None
        self.log(message)
        return None


def fail(_):
    raise ValueError


def test_a_loading_actor_reads_control_timers_and_calls_but_not_what_it_is_told(rig):
    ref = rig.system.spawn(Loader, rig.log)
    ref.tell("told")

    ref.tell_control("first")
    ref.tell_control("second")
    rig.wait_for("timer", "loaded", "second")
    before = list(rig.items)
    ref.tell_control("ready")
    rig.wait_for("told")

    assert "told" not in before
    assert before.index("first") < before.index("second")
    assert rig.items[-2:] == ["ready", "told"]


def test_a_control_message_waits_for_a_restart_and_is_tried_again(rig):
    ref = rig.system.spawn(Scripted, rig.log)
    tries = []

    def fail_once(_):
        tries.append(1)
        if len(tries) == 1:
            raise ValueError
        rig.log("again")

    ref.tell_control(fail_once)
    ref.tell_control("behind")
    rig.wait_for("behind")

    assert rig.items == ["again", "behind"]


def test_a_timer_with_the_same_key_replaces_the_earlier_one(rig):
    def script(actor):
        actor.after(0.002, "replaced", key="k")
        actor.after(0.004, "cancelled", key="c")
        actor.after(0.005, "kept", key="k")
        actor.after(0.006, "same")
        actor.after(0.006, "same")
        actor.cancel_timer("c")
        actor.cancel_timer("unknown")

    rig.system.spawn(Scripted, rig.log).tell(script)
    rig.wait_for("kept", "same", "same")

    assert rig.items == ["kept", "same", "same"]


def test_timers_die_with_the_life_that_set_them(rig):
    ref = rig.system.spawn(Scripted, rig.log)

    def script(actor):
        actor.after(0.01, "of the first life")
        raise ValueError

    ref.tell(script)
    ref.tell(lambda actor: actor.after(0.02, "of the last life"))
    rig.wait_for("of the last life")

    assert rig.items == ["of the last life"]


def test_what_an_earlier_life_kept_of_itself_can_set_no_timer(rig):
    ref = rig.system.spawn(Scripted, rig.log)
    old = ref.ask(lambda actor: actor, timeout=5)

    ref.tell(fail)
    ref.tell(lambda _: old.after(0, "ghost") or old.stop_self() or old.loaded())
    ref.tell(lambda actor: actor.after(0.002, "real"))
    rig.wait_for("real")

    assert rig.items == ["real"]


def test_a_call_comes_back_with_its_value_or_its_error(rig):
    ref = rig.system.spawn(Scripted, rig.log)

    ref.tell(lambda actor: actor.call("sum", sum, (1, 2)))
    ref.tell(lambda actor: actor.call("bad", int, "x"))
    ref.tell(lambda actor: actor.call("exit", fail_hard))
    rig.wait_for(("sum", 3, type(None)), ("bad", None, ValueError), ("exit", None, SystemExit))

    assert len(rig.items) == 3


def fail_hard():
    raise SystemExit


def test_only_a_kept_answer_reaches_a_later_life(rig):
    ref = rig.system.spawn(Scripted, rig.log)

    def script(actor):
        actor.call("dropped", rig.system.sleep, 0.01)
        actor.call("kept", rig.system.sleep, 0.01, keep=True)

    ref.tell(script)
    ref.tell(fail)
    rig.wait_for(("kept", None, type(None)))
    ref.tell(lambda actor: actor.call("last", rig.system.sleep, 0.005))
    rig.wait_for(("last", None, type(None)))

    assert [tag for tag, *_ in rig.items] == ["kept", "last"]


def test_a_scheduled_function_runs_unless_it_is_cancelled(rig):
    rig.system.call_later(0.002, lambda: rig.log("cancelled")).cancel()
    rig.system.call_later(0.004, lambda: rig.log("ran"))

    rig.wait_for("ran")

    assert rig.items == ["ran"]


class Writer:
    """A journal that answers from its drain."""

    def __init__(self):
        self.queue, self.wake = [], None

    def attach(self, wake):
        self.wake = wake

    def append(self, item, ref):
        self.queue.append((item, ref))
        self.wake()

    def drain(self):
        batch, self.queue = self.queue[:2], self.queue[2:]
        for item, ref in batch:
            if item is None:
                raise OSError
            ref.tell_control(item)
        return len(batch)


def test_a_driven_worker_drains_all_that_it_was_woken_for(rig):
    writer = Writer()
    rig.system.drive(writer)
    ref = rig.system.spawn(Scripted, rig.log)

    for number in range(5):
        writer.append(number, ref)
    rig.wait_for(4)
    writer.append(5, ref)
    rig.wait_for(5)

    assert rig.items == list(range(6))


def test_a_drain_that_raises_is_fatal(rig):
    writer = Writer()
    rig.system.on_fatal = lambda error: rig.log(type(error))
    rig.system.drive(writer)

    writer.append(None, None)
    rig.wait_for(OSError)

    assert rig.system.halted


def test_stats_show_depth_and_restarts(rig):
    ref = rig.system.spawn(Loader, rig.log, name="loader")
    ref.tell("a")
    ref.tell("b")
    ref.tell_control("seen")
    rig.wait_for("seen", "timer", "loaded")

    (stats,) = rig.system.stats().actors

    assert (stats.name, stats.depth, stats.restarts) == ("loader", 2, 0)


@pytest.mark.parametrize("count", [200])
def test_tells_in_the_instant_of_a_stop_are_read_or_counted(rig, count):
    class Quitter(Actor):
        read = 0

        def on_receive(self, message):
            type(self).read += 1
            if message == count // 2:
                self.stop_self()

    ref = rig.system.spawn(Quitter)
    for number in range(count):
        ref.tell(number)
    assert not ref.stop(timeout=5) or ref.stop(timeout=5) is not None

    assert Quitter.read + rig.system.stats().dead_letters == count
