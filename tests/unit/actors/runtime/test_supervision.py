"""Crashes, restarts, quarantine, escalation and stopping, on both systems."""

import pytest
import structlog

from actors.runtime import Actor, EscalatedError
from domain.supervision import RestartPolicy
from tests.unit.actors.runtime.echo import Echo

FAST = RestartPolicy(backoff_first_s=0.001, backoff_longest_s=0.002)
TWICE = RestartPolicy(max_failures=1, backoff_first_s=0.001)


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


def test_failures_are_logged_by_type_and_place_and_never_with_what_they_carry(rig):
    class SecretError(Exception):
        def __repr__(self):
            return "canary"

    ref = rig.system.spawn(Echo, rig.log, name="echo")
    with structlog.testing.capture_logs() as lines:
        ref.tell(SecretError("canary"))
        ref.tell("on")
        rig.wait_for("on")

    events = [line["event"] for line in lines]
    assert events == [
        "actor.failed", "actor.restarted", "actor.failed", "actor.quarantined", "actor.restarted",
    ]  # fmt: skip
    assert lines[0]["actor"] == "echo"
    assert lines[0]["error_type"] == "SecretError"
    assert lines[0]["error"].startswith("in on_receive, echo.py:")
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
