"""What a day is made of: its settings, and how often each fault comes."""

from dataclasses import dataclass, field

from actors.runtime import Faults
from domain.broker import ClientIdSupport
from domain.session import ALWAYS_OPEN
from domain.settings import Settings
from domain.supervision import RestartPolicy

# Goes on through any number of crashes.
STURDY = RestartPolicy(max_failures=10**6, backoff_first_s=0.05, backoff_longest_s=0.4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What the broker and its market do with an order; the defaults are without a fault.

    Attributes:
        client_ids: What it does with our id; NONE shows it nowhere.
        has_exec_ids: False tells fills only as the totals of orders.
        tells_fees: False leaves commission and tax to the table.
        fill_s: Mean time to each fill; None fills a market order at once and leaves a limit order.
        parts: The most executions of one order.
        hidden_s: The longest that an accepted order or a fill is missing from queries.
        cancel_s: The longest from a cancel's acceptance to its effect; 0 is at once.
        doomed: Accepted, and refused by the exchange a little later.
        no_cancel: A cancel is refused though the order is open.
        forgotten_cancel: A cancel is accepted and never done.
        crossing: A fill that the cancel crossed comes after it.
        overfill: The last fill is larger than what was left.
        foreign: Orders of others on the account, for each of ours.
        twins: How many of those look like one of ours, which the broker shows by then.
        garbage: Notices that are of no order of ours, for each of ours.
    """

    client_ids: ClientIdSupport = ClientIdSupport.UNIQUE
    has_exec_ids: bool = True
    tells_fees: bool = True
    fill_s: float | None = None
    parts: int = 1
    hidden_s: float = 0.0
    cancel_s: float = 0.0
    doomed: float = 0.0
    no_cancel: float = 0.0
    forgotten_cancel: float = 0.0
    crossing: float = 0.0
    overfill: float = 0.0
    foreign: float = 0.0
    twins: float = 0.0
    garbage: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """One day's settings and fault rates.

    Attributes:
        runtime: Actor crashes and stalls.
        process_kills: How often the process is killed at some effect.
        effects: A kill comes at the latest after so many effects.
        takeovers: How often a second engine takes over while the first goes on.
        stops: How often the engine is stopped for a while, and goes on.
        successors: How many of the stopped ones another engine takes over from meanwhile.
        disk_errors: How often a commit fails, half of them with an unknown result.
        clock_steps: How often the wall clock is set.
        outages: How often the broker is away for some seconds.
        silences: How often the stream is, half of them without saying so.
        latency_s: Shortest and longest way there and back.
        are_alike: Many orders look the same; else hardly any do.
        resolves_s: How long a person looks at an order in doubt before they decide about it.
        halts: How often trading is halted for a while.
        busts: How often the broker takes back an execution.
        starts_s: Seconds into the virtual evening; midnight in Seoul comes 20 s after 0.
    """

    settings: Settings
    habits: Habits
    runtime: Faults = field(default_factory=Faults)
    writes: dict[str, float] = field(default_factory=dict)
    reads: dict[str, float] = field(default_factory=dict)
    stream: dict[str, float] = field(default_factory=dict)
    process_kills: int = 0
    effects: int = 1500
    takeovers: int = 0
    stops: int = 0
    successors: float = 0.0
    disk_errors: int = 0
    clock_steps: int = 0
    outages: int = 0
    silences: int = 0
    halts: int = 0
    busts: int = 0
    latency_s: tuple[float, float] = (0.005, 0.03)
    are_alike: bool = False
    resolves_s: float = 5.0
    starts_s: float = 3600.0
    orders: int = 20
    span_s: float = 10.0
    day_s: float = 30.0


def calm() -> Weather:
    """Return a day on which nothing goes wrong."""
    return Weather(
        settings=Settings(session=ALWAYS_OPEN, restarts=STURDY), habits=Habits(fill_s=0.5, parts=3)
    )
