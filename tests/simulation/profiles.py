"""How bad a day is: every rate of every fault, drawn from the day's seed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from random import Random

from actors.runtime import Faults
from domain.broker import ClientIdSupport
from domain.session import ALWAYS_OPEN
from domain.settings import AbsentPolicy, BrokerTiming, Settings
from domain.supervision import RestartPolicy
from tests.simulation.fates import READ_FATES, STREAM_FATES, WRITE_FATES
from tests.simulation.weather import STURDY, Habits, Weather, calm


def draw(random: Random, profile: str = "mixed") -> Weather:
    """Return the weather of one day.

    Raises:
        KeyError: There is no such profile.
    """
    return PROFILES[profile](random)


def later_dice(seed: int, drawn: Weather, profile: str) -> Weather:
    """Return the weather with what came to be drawn later, each from a stream of its own.

    So that a seed is the same day as before in all else.
    """
    if profile == "calm":
        return drawn
    # Few days have them: their files take as long as all else of a day.
    halts = Random(f"halts of {profile} {seed}").choice((0, 0, 0, 0, 0, 1, 3))
    busts = Random(f"busts of {profile} {seed}").choice((0, 0, 0, 1, 5))
    return replace(drawn, halts=drawn.halts or halts, busts=drawn.busts or busts)


def _mixed(random: Random) -> Weather:
    """Everything, each as often as the seed says."""
    choice = random.choice
    timeout_s = choice((0.5, 1.0, 1.0, 5.0))
    takeovers = choice((0, 0, 0, 1))
    worse = choice((0.0, 0.3, 1.0, 1.0, 2.0))
    # A call that hangs in a zombie may leave after its successor has settled: the one window
    # that fencing leaves open, and the README names it.
    writes = _times(WRITE_FATES, worse, without="hung" if takeovers else "")
    return Weather(
        settings=_settings(random, timeout_s),
        habits=_habits(random),
        runtime=Faults(
            crash=choice((0.0, 0.003, 0.01, 0.03)),
            stall=choice((0.0, 0.0, 0.01, 0.03)),
            stall_s=choice((0.2, 1.0, 3.0)),
        ),
        writes=writes,
        reads=_times(READ_FATES, worse, without="hung" if takeovers else ""),
        stream=_times(STREAM_FATES, choice((0.0, 1.0, 3.0))),
        process_kills=choice((0, 1, 1, 2, 4)),
        effects=choice((150, 600, 2500)),
        takeovers=takeovers,
        disk_errors=choice((0, 0, 0, 1)),
        clock_steps=choice((0, 0, 1)),
        outages=choice((0, 0, 1)),
        silences=choice((0, 0, 1)),
        latency_s=choice(((0.005, 0.03), (0.01, 0.2), (0.0005, 0.001))),
        starts_s=choice((3600.0, 3600.0, 0.0)),
        span_s=choice((1.0, 10.0, 20.0)),
        day_s=choice((25.0, 40.0)),
    )


def _settings(random: Random, timeout_s: float) -> Settings:
    choice = random.choice
    return Settings(
        session=ALWAYS_OPEN,
        timing=BrokerTiming(
            call_timeout_s=timeout_s, latest_accept_s=choice((0.2, 2.0)), longest_hidden_s=0.5
        ),
        restarts=choice((STURDY, STURDY, RestartPolicy())),
        cancel_overdue=random.random() < 0.3,
        market_timeout_s=choice((5.0, 60.0)),
        signal_deadline=timedelta(seconds=choice((5, 30, 30))),
    )


def _habits(random: Random) -> Habits:
    choice = random.choice
    return Habits(
        client_ids=choice((ClientIdSupport.UNIQUE, ClientIdSupport.TAG)),
        tells_fees=choice((True, True, True, False)),
        fill_s=choice((0.05, 0.5, 2.0)),
        parts=choice((1, 3, 3)),
        hidden_s=choice((0.0, 0.0, 0.2, 0.4)),
        cancel_s=choice((0.0, 0.0, 0.5, 2.0)),
        doomed=choice((0.0, 0.05)),
        no_cancel=choice((0.0, 0.1)),
        forgotten_cancel=choice((0.0, 0.1)),
        crossing=choice((0.0, 0.2)),
        overfill=choice((0.0, 0.0, 0.03)),
        foreign=choice((0.0, 0.0, 0.1)),
        twins=0.3,
        garbage=choice((0.0, 0.0, 0.1)),
    )


def _times(rates: dict[str, float], factor: float, without: str = "") -> dict[str, float]:
    return {name: rate * factor for name, rate in rates.items() if factor and name != without}


def _network(random: Random) -> Weather:
    """A network at its worst; the engine's own machine is well."""
    drawn = _mixed(random)
    return replace(
        drawn,
        runtime=Faults(),
        process_kills=0,
        takeovers=0,
        disk_errors=0,
        writes=_times(WRITE_FATES, 2.0),
        reads=_times(READ_FATES, 2.0),
        stream=_times(STREAM_FATES, 2.0),
    )


def _machine(random: Random) -> Weather:
    """Kills, crashes, takeovers and disk errors; the broker and the way there are well."""
    drawn = _mixed(random)
    return replace(
        drawn,
        runtime=Faults(crash=0.02, stall=0.02, stall_s=2.0),
        process_kills=6,
        effects=400,
        disk_errors=1,
        writes={},
        reads={},
        stream={},
    )


def _doubt(random: Random) -> Weather:
    """Answers that are lost, requests that come late, lookups that say little."""
    drawn = _mixed(random)
    timing = BrokerTiming(
        call_timeout_s=random.choice((0.3, 1.0)), latest_accept_s=2.0, longest_hidden_s=0.5
    )
    return replace(
        drawn,
        settings=replace(drawn.settings, timing=timing, restarts=STURDY),
        habits=replace(drawn.habits, hidden_s=0.4, fill_s=0.5),
        runtime=Faults(crash=random.choice((0.0, 0.02))),
        writes={"late": 0.15, "answer_lost": 0.1, "lost": 0.1, "hung": 0.05, "not_sent": 0.02},
        reads={"incomplete": 0.25, "error_before": 0.25, "hung": 0.01},
        process_kills=random.choice((0, 2)),
        effects=800,
        takeovers=0,
        disk_errors=0,
        outages=0,
    )


def _takeover(random: Random) -> Weather:
    """Engines that take over from each other while orders come in."""
    drawn = _mixed(random)
    return replace(
        drawn,
        settings=replace(drawn.settings, restarts=STURDY),
        takeovers=5,
        process_kills=0,
        disk_errors=0,
        day_s=25.0,
        span_s=20.0,
        writes=_times(WRITE_FATES, 0.5, without="hung"),
        reads=_times(READ_FATES, 0.5, without="hung"),
    )


def _crashes(random: Random) -> Weather:
    """Actors that crash and stall all the time, in one process."""
    drawn = _mixed(random)
    return replace(
        drawn,
        settings=replace(drawn.settings, restarts=STURDY),
        runtime=Faults(crash=0.06, stall=0.05, stall_s=2.0),
        process_kills=0,
        takeovers=0,
        disk_errors=0,
    )


def _rush(random: Random) -> Weather:
    """Far more orders at once than the limit lets through, and a process that keeps dying."""
    drawn = _mixed(random)
    return replace(
        drawn,
        settings=replace(drawn.settings, restarts=STURDY, signal_deadline=timedelta(seconds=30)),
        runtime=Faults(crash=random.choice((0.0, 0.01)), stall=0.01, stall_s=0.5),
        latency_s=(0.0005, 0.001),
        orders=60,
        span_s=1.0,
        day_s=15.0,
        process_kills=random.choice((2, 6)),
        effects=1500,
        takeovers=0,
        writes={},
        reads={},
        outages=0,
    )


def _ghosts(random: Random) -> Weather:
    """Requests that outlive whoever sent them, and calls that hang while others wait in line."""
    drawn = _doubt(random)
    timing = BrokerTiming(
        call_timeout_s=0.3, latest_accept_s=random.choice((0.2, 3.0)), longest_hidden_s=0.5
    )
    return replace(
        drawn,
        settings=replace(drawn.settings, timing=timing),
        runtime=Faults(crash=random.choice((0.0, 0.04))),
        writes={"late": 0.3, "hung": 0.1},
        reads={"hung": 0.05},
        process_kills=random.choice((0, 8)),
        effects=300,
    )


def _nameless(random: Random) -> Weather:
    """A broker that carries no ids of ours: what it has is told from look alone."""
    choice = random.choice
    drawn = choice((_mixed, _doubt))(random)
    habits = replace(
        drawn.habits,
        client_ids=ClientIdSupport.NONE,
        # Pages may be stale as well, and both together must stay within V.
        hidden_s=min(drawn.habits.hidden_s, 0.1),
        foreign=choice((0.0, 0.3)),
        twins=0.5,
    )
    policy = choice((None, AbsentPolicy.STRICT, AbsentPolicy.AUTOMATIC))
    settings = replace(drawn.settings, absent_policy=policy)
    return replace(
        drawn,
        settings=settings,
        habits=habits,
        reads={**drawn.reads, "jumbled": 0.2},
        are_alike=choice((False, True)),
        resolves_s=choice((0.5, 5.0, 20.0)),
    )


def _totals(random: Random) -> Weather:
    """Nor does it number executions: fills are known as totals of orders."""
    drawn = _nameless(random)
    return replace(drawn, habits=replace(drawn.habits, has_exec_ids=False))


def _halts(random: Random) -> Weather:
    """Trading is halted and goes on again, while orders wait, engines die and calls hang."""
    drawn = random.choice((_mixed, _rush, _machine, _takeover, _ghosts))(random)
    writes = drawn.writes if drawn.takeovers else {"hung": 0.06} | drawn.writes
    return replace(drawn, halts=random.choice((3, 8)), writes=writes)


def _busts(random: Random) -> Weather:
    """A broker that takes back what it has executed, late or lost as all it tells."""
    drawn = random.choice((_mixed, _network, _crashes, _machine, _nameless, _totals))(random)
    return replace(drawn, busts=random.choice((6, 12)))


def _strict(random: Random) -> Weather:
    """A broker that carries our ids, and a person who decides about what it does not show."""
    choice = random.choice
    drawn = choice((_mixed, _doubt, _doubt, _network, _ghosts))(random)
    return replace(
        drawn,
        settings=replace(drawn.settings, absent_policy=AbsentPolicy.STRICT),
        are_alike=choice((False, True)),
    )


def _zombies(random: Random) -> Weather:
    """Engines that are stopped in the midst of their work and wake up, mostly to a successor."""
    drawn = random.choice((_mixed, _takeover, _rush, _machine, _doubt))(random)
    successors = random.choice((0.0, 0.8, 0.8, 1.0))
    takeovers = drawn.takeovers if successors else 0
    hung = {} if successors else {"hung": 0.05}
    return replace(
        drawn,
        settings=replace(drawn.settings, restarts=STURDY),
        writes={name: rate for name, rate in drawn.writes.items() if name != "hung"} | hung,
        reads={name: rate for name, rate in drawn.reads.items() if name != "hung"},
        stops=random.choice((3, 8)),
        successors=successors,
        takeovers=takeovers,
    )


PROFILES: dict[str, Callable[[Random], Weather]] = {
    "mixed": _mixed,
    "network": _network,
    "machine": _machine,
    "doubt": _doubt,
    "ghosts": _ghosts,
    "takeover": _takeover,
    "crashes": _crashes,
    "rush": _rush,
    "nameless": _nameless,
    "totals": _totals,
    "halts": _halts,
    "busts": _busts,
    "zombies": _zombies,
    "strict": _strict,
    "calm": lambda _: calm(),
}
