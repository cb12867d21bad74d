"""Crashes, restarts, quarantine, escalation and stopping, on both systems."""

import pykka
import pytest
import structlog

from actors.runtime import Actor, EscalatedError
from domain.supervision import RestartPolicy

FAST = RestartPolicy(backoff_first_s=0.001, backoff_longest_s=0.002)
TWICE = RestartPolicy(max_failures=1, backoff_first_s=0.001)


class Echo(Actor):
    """Logs what it is told, and raises the exceptions that it is told."""

    def __init__(self, log, *, prefix=""):
        super().__init__()
        self.log, self.prefix, self.count = log, prefix, 0

    def on_start(self):
        self.log(f"{self.prefix}start")

    def on_stop(self):
        self.log(f"{self.prefix}stop")

    def on_failure(self, exception_type, exception_value, traceback):
        self.log(f"{self.prefix}failed {exception_type.__name__}")

    def on_receive(self, message):
        self.count += 1
        match message:
            case BaseException():
                raise message
            case "count":
                return self.count
            case "life":
                return self.life
            case "stop":
                self.stop_self()
        self.log(f"{self.prefix}{message}")
        return None


class Parent(Actor):
    """Passes all on to its child."""

    policy = FAST

    def __init__(self, log, child=Echo):
        super().__init__()
        self.log, self.child = log, child

    def on_start(self):
        self.log("parent")
        self.kid = self.spawn(self.child, self.log, name="kid")

    def on_receive(self, message):
        self.kid.tell(message)

    def on_child_stopped(self, ref):
        self.log(f"ended {ref.name}")


class Lenient(Parent):
    """Stops a child that failed twice."""

    policy = TWICE
    exhausted = "stop"


class Strict(Parent):
    """Fails itself when its child failed twice."""

    policy = TWICE


def test_a_crash_keeps_the_address_the_queue_and_the_order(rig):
    ref = rig.system.spawn(Echo, rig.log, name="echo")

    for message in (1, ValueError("boom"), 2, 3):
        ref.tell(message)
    rig.wait_for("2", "3")

    assert rig.items == [
        "start", "1", "failed ValueError", "start", "failed ValueError", "start", "2", "3",
    ]  # fmt: skip
    assert ref.ask("count", timeout=5) == 3
    assert ref.is_alive()


def test_a_message_that_crashes_twice_is_set_aside_and_the_hook_hears_of_it(rig):
    poison = ValueError("boom")
    rig.system.on_quarantine = lambda *heard: rig.log(heard)
    ref = rig.system.spawn(Echo, rig.log, name="echo")

    ref.tell(poison)
    rig.wait_for(("echo", poison, poison))

    assert [(one.actor, one.message) for one in rig.system.quarantine] == [("echo", poison)]
    assert rig.system.stats().quarantined == 1


def test_a_message_that_crashes_once_is_handled_after_the_restart(rig):
    tries = []

    class Moody(Echo):
        def on_receive(self, message):
            tries.append(message)
            if len(tries) == 1:
                raise ValueError
            self.log(message)

    ref = rig.system.spawn(Moody, rig.log)

    ref.tell("first")
    ref.tell("second")
    rig.wait_for("first", "second")

    assert rig.items[-2:] == ["first", "second"]
    assert not rig.system.quarantine


def test_equal_messages_are_judged_one_by_one(rig):
    class Once(Echo):
        redeliver = 0

    ref = rig.system.spawn(Once, rig.log)

    ref.tell(ValueError("same"))
    ref.tell(ValueError("same"))
    ref.tell("after")
    rig.wait_for("after")

    assert len(rig.system.quarantine) == 2


def test_system_exit_in_a_handler_is_a_failure_of_that_actor_alone(rig):
    ref, other = (rig.system.spawn(Echo, rig.log, prefix=p) for p in ("a ", "b "))

    ref.tell(SystemExit(3))
    ref.tell("on")
    other.tell("on")
    rig.wait_for("a on", "b on")

    assert "a failed SystemExit" in rig.items
    assert not rig.system.halted


def test_an_asker_gets_the_exception_and_the_actor_starts_again(rig):
    ref = rig.system.spawn(Echo, rig.log)

    with pytest.raises(ValueError, match="boom"):
        ref.ask(ValueError("boom"), timeout=5)

    assert ref.ask("count", timeout=5) == 1
    assert not rig.system.quarantine


@pytest.mark.parametrize("where", ["__init__", "on_start"])
def test_a_failing_start_reaches_the_supervisor_which_tries_again(rig, where):
    tries = []

    def fail_once(self, *args):
        tries.append(1)
        if len(tries) == 1:
            raise OSError

    actor = type("Late", (Actor,), {where: fail_once, "on_receive": lambda _, m: rig.log(m)})
    ref = rig.system.spawn(actor)

    ref.tell("kept")
    rig.wait_for("kept")

    assert len(tries) == 2


def test_every_life_has_a_number_of_its_own(rig):
    ref = rig.system.spawn(Echo, rig.log)
    other = rig.system.spawn(Echo, rig.log)

    lives = [ref.ask("life", timeout=5), other.ask("life", timeout=5)]
    ref.tell(ValueError())
    lives.append(ref.ask("life", timeout=5))

    assert len(set(lives)) == 3
    assert lives[2] > lives[0]


def test_a_child_that_fails_too_often_is_stopped_when_the_parent_says_so(rig):
    ref = rig.system.spawn(Lenient, rig.log)

    ref.tell(ValueError())
    rig.wait_for("ended kid")

    assert rig.items.count("parent") == 1
    assert "kid" not in rig.system.actors


def test_a_failure_that_escalates_restarts_the_parent_and_then_the_child(rig):
    ref = rig.system.spawn(Strict, rig.log)

    ref.tell(ValueError())
    ref.tell("on")
    rig.wait_for("on")

    assert rig.items.count("parent") == 2
    assert rig.items.count("start") == 3


def test_the_root_fails_once_and_nothing_is_dispatched_afterwards(rig):
    rig.system.on_fatal = lambda error: rig.log(("fatal", type(error)))
    broken = type("Broken", (Actor,), {"on_start": lambda _: 1 / 0})
    other = rig.system.spawn(Echo, rig.log)

    rig.system.spawn(broken)
    rig.system.spawn(broken)
    rig.wait_for(("fatal", EscalatedError))
    other.tell("after")
    late = rig.system.stop(timeout_s=1)

    assert "after" not in rig.items
    assert rig.items.count(("fatal", EscalatedError)) == 1
    assert late == ()


def test_a_child_waits_out_its_restart_while_its_supervisor_restarts(rig):
    class Clumsy(Parent):
        policy = RestartPolicy(backoff_first_s=0.01)

        def on_receive(self, message):
            self.kid.tell(ValueError())
            raise ValueError

    class Kid(Echo):
        redeliver = 0

    ref = rig.system.spawn(Clumsy, rig.log, Kid)
    ref.tell("both fail")
    rig.wait_for("start", "start", "start", "parent", "parent", "parent")
    kid = rig.system.actors["kid"]
    kid.tell("alive")
    rig.wait_for("alive")

    assert rig.items.count("start") == 3


def test_children_stop_before_their_parent_and_leave_no_name(rig):
    class Family(Echo):
        def on_start(self):
            for number in range(3):
                self.spawn(Echo, self.log, prefix="child ", name=f"child-{number}")

    ref = rig.system.spawn(Family, rig.log, prefix="parent ", name="family")

    assert ref.stop(timeout=5)

    stops = [item for item in rig.items if item.endswith("stop")]
    assert stops == ["child stop"] * 3 + ["parent stop"]
    assert rig.system.actors == {}


def test_a_second_stop_changes_nothing(rig):
    ref = rig.system.spawn(Echo, rig.log)

    answers = [ref.stop(block=False), ref.stop(block=False)]
    ref.stop(timeout=5)

    assert answers[0].get(timeout=5)
    assert rig.items == ["start", "stop"]


def test_an_actor_that_stops_itself_reads_nothing_more(rig):
    ref = rig.system.spawn(Echo, rig.log, name="echo")

    for message in ("stop", "late", "later"):
        ref.tell(message)
    with pytest.raises(pykka.ActorDeadError):
        ref.ask("count", timeout=5)

    assert rig.items == ["start", "stop", "stop"]
    assert [one.message for one in rig.system.dead_letters] == ["late", "later"]
    assert rig.system.stats().dead_letters == 2
    assert not ref.is_alive()


def test_a_known_name_is_the_known_actor_and_a_stopped_one_is_free(rig):
    ref = rig.system.spawn(Echo, rig.log, name="echo")

    again = rig.system.spawn(Echo, rig.log, name="echo")
    ref.stop(timeout=5)
    fresh = rig.system.spawn(Echo, rig.log, name="echo")

    assert again is ref
    assert fresh is not ref
    assert rig.system.actors == {"echo": fresh}


def test_failures_are_logged_by_type_and_text_and_never_with_the_message(rig):
    class SecretError(Exception):
        def __repr__(self):
            return "canary"

    ref = rig.system.spawn(Echo, rig.log, name="echo")
    with structlog.testing.capture_logs() as lines:
        ref.tell(SecretError("why"))
        ref.tell("on")
        rig.wait_for("on")

    events = [line["event"] for line in lines]
    assert events == [
        "actor.failed", "actor.restarted", "actor.failed", "actor.quarantined", "actor.restarted",
    ]  # fmt: skip
    assert lines[0]["actor"] == "echo"
    assert (lines[0]["error_type"], lines[0]["error"]) == ("SecretError", "why")
    assert "canary" not in str(lines)


def test_a_hook_that_raises_harms_nobody(rig):
    class Rude(Echo):
        def on_failure(self, exception_type, exception_value, traceback):
            raise OSError

        def on_stop(self):
            raise OSError

    ref = rig.system.spawn(Rude, rig.log)
    ref.tell(ValueError())
    ref.tell("on")
    rig.wait_for("on")

    assert ref.stop(timeout=5)
    assert rig.system.stats().restarts == 2


def test_pykkas_own_start_is_refused():
    with pytest.raises(TypeError, match="spawn"):
        Echo.start(print)


def test_a_crash_after_stop_self_still_ends_the_actor_for_good(rig):
    class Leaver(Echo):
        def on_receive(self, message):
            self.stop_self()
            raise ValueError

    ref = rig.system.spawn(Leaver, rig.log)

    ref.tell("last")
    ref.stop(timeout=5)
    ref.stop(timeout=5)

    assert rig.items == ["start", "failed ValueError"]
    assert not ref.is_alive()
    assert [one.message for one in rig.system.dead_letters] == ["last"]
