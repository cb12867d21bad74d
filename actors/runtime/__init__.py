"""Supervised actors on pykka: written once, run by a pool of threads or by a seeded simulation."""

from actors.runtime.actor import Actor
from actors.runtime.live import LiveSystem
from actors.runtime.mailbox import Ref
from actors.runtime.messages import (
    ActorStats,
    DeadLetter,
    Done,
    EscalatedError,
    InjectedError,
    Killed,
    Quarantined,
    SystemStats,
)
from actors.runtime.ports import Cancellable, Clock, System, Worker
from actors.runtime.simulated import Faults, SimulatedSystem
from actors.runtime.system import ActorSystem
from actors.runtime.timeline import Timeline

__all__ = [
    "Actor",
    "ActorStats",
    "ActorSystem",
    "Cancellable",
    "Clock",
    "DeadLetter",
    "Done",
    "EscalatedError",
    "Faults",
    "InjectedError",
    "Killed",
    "LiveSystem",
    "Quarantined",
    "Ref",
    "SimulatedSystem",
    "System",
    "SystemStats",
    "Timeline",
    "Worker",
]
