"""The demo's script: its scenes, and the faults behind them.

Scenes run one after another. That keeps a fault where it belongs: while an answer is lost no
other order is open, so nothing but the lookup can find that order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final, Protocol

from domain.terms import Side, Symbol
from infra.brokers.paper import Fault, FaultKind, FaultPlan
from infra.brokers.paper.dice import dice
from infra.cli import demo_proofs as proofs
from infra.cli.demo_proofs import Evidence

SAMSUNG, HYNIX, HYUNDAI, NAVER, KODEX_200 = map(
    Symbol, ("005930", "000660", "005380", "035420", "069500")
)

# By symbol, so that they hit the scene that is about them and no other order.
FAULTS: Final = FaultPlan.script(
    {
        ("place", HYNIX): ["not_sent", "not_sent"],
        ("place", NAVER): "answer_lost_after_booking",
        ("stream", NAVER): ["lost", "lost"],
        ("find", 1): Fault(FaultKind.SLOW, 1.0),
    }
)

_PAIR_S: Final = 1.6  # A buy and a sell of the strategy, with time to look at them.
_RESTS_S: Final = 0.6


class Stage(Protocol):
    """What a scene can do. ``px_factor`` makes a limit order, that far from the last price."""

    def trade(
        self, name: str, symbol: Symbol, side: Side, order_qty: int, px_factor: str | None = None
    ) -> None:
        """Signal an order and wait until it has ended and its fills are in the position."""
        ...

    def signal(
        self, name: str, symbol: Symbol, side: Side, order_qty: int, px_factor: str | None = None
    ) -> None:
        """Signal an order."""
        ...

    def cancel(self, name: str, reason: str) -> None:
        """Cancel a signalled order and wait until it has ended."""
        ...

    def pause(self, seconds: float) -> None:
        """Let the market move on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One thing that the demo shows.

    Attributes:
        signal_id: Of the order that shows it.
        caption: What to look at, for the blotter.
        needs_s: About how long it takes.
        rank: Which scenes are played when there is not time for all; 1 comes first.
        proof: Returns what was shown, in a few words; None when it was not.
    """

    name: str
    signal_id: str
    caption: str
    needs_s: float
    rank: int
    play: Callable[[Stage], None]
    proof: Callable[[Evidence], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What is played within the time there is.

    Attributes:
        scenes: In the order of playing.
        skipped: Scenes that do not fit, with the seconds that would be enough.
        pause_s: Free time after each scene, for the strategy's own orders.
    """

    scenes: tuple[Scene, ...]
    skipped: tuple[tuple[Scene, int], ...]
    pause_s: float

    @property
    def pairs(self) -> int:
        """How many buys and sells of the strategy follow each scene."""
        return int(self.pause_s / _PAIR_S)


def script_for(seconds: int) -> Script:
    """Return what fits into so many seconds; the market order is always played."""
    chosen: list[Scene] = []
    skipped: list[tuple[Scene, int]] = []
    total_s = 0.0
    for scene in sorted(SCENES, key=lambda scene: scene.rank):
        total_s += scene.needs_s
        if total_s <= seconds or not chosen:
            chosen.append(scene)
        else:
            skipped.append((scene, ceil(total_s)))
    spare_s = max(0.0, seconds - sum(scene.needs_s for scene in chosen))
    return Script(
        scenes=tuple(scene for scene in SCENES if scene in chosen),
        skipped=tuple(skipped),
        pause_s=spare_s / len(chosen),
    )


def play_pair(stage: Stage, number: int, seed: int) -> None:
    """Buy a little and sell it again, as a strategy would; which is the seed's choice."""
    random = dice(seed, f"demo pair {number}")
    symbol = random.choice((SAMSUNG, HYUNDAI, KODEX_200))
    order_qty = 10 * random.randint(1, 6)
    px_factor = random.choice((None, "1.004"))
    stage.trade(f"strategy-{number:02d}-in", symbol, Side.BUY, order_qty, px_factor)
    stage.trade(f"strategy-{number:02d}-out", symbol, Side.SELL, order_qty)


def _play_market(stage: Stage) -> None:
    stage.trade("demo-market", SAMSUNG, Side.BUY, 100)


def _play_limit(stage: Stage) -> None:
    stage.trade("demo-limit", HYUNDAI, Side.BUY, 20, "1.004")


def _play_partial(stage: Stage) -> None:
    # More than any one quote's share for us (a tenth of 4,000 at most).
    stage.trade("demo-partial", KODEX_200, Side.BUY, 1_200)


def _play_rejection(stage: Stage) -> None:
    # The day's limit is 30 % above yesterday's close.
    stage.trade("demo-rejected", SAMSUNG, Side.BUY, 10, "1.5")


def _play_cancel(stage: Stage) -> None:
    stage.signal("demo-cancel", HYUNDAI, Side.BUY, 30, "0.95")
    stage.pause(_RESTS_S)
    stage.cancel("demo-cancel", "the strategy changed its mind")


def _play_retry(stage: Stage) -> None:
    stage.trade("demo-retry", HYNIX, Side.BUY, 30)


def _play_lost(stage: Stage) -> None:
    stage.trade("demo-lost", NAVER, Side.BUY, 20)


def _play_close(stage: Stage) -> None:
    stage.trade("demo-close", SAMSUNG, Side.SELL, 100)


# The first order waits out the second for which the broker's limit is assumed to be used up.
SCENES: Final[Sequence[Scene]] = (
    Scene(
        name="market order",
        signal_id="demo-market",
        caption="A market order: one signal, one order, filled at the quote.",
        needs_s=1.6,
        rank=1,
        play=_play_market,
        proof=proofs.market,
    ),
    Scene(
        name="limit order",
        signal_id="demo-limit",
        caption="A limit order a little above the market: filled, never above its limit.",
        needs_s=0.6,
        rank=4,
        play=_play_limit,
        proof=proofs.limit,
    ),
    Scene(
        name="partial fills",
        signal_id="demo-partial",
        caption="An order larger than a quote's share for us: filled in parts.",
        needs_s=2.5,
        rank=6,
        play=_play_partial,
        proof=proofs.partial,
    ),
    Scene(
        name="rejection",
        signal_id="demo-rejected",
        caption="A limit 50 % above the market: the broker says no; the reason stays.",
        needs_s=0.2,
        rank=2,
        play=_play_rejection,
        proof=proofs.rejection,
    ),
    Scene(
        name="cancel",
        signal_id="demo-cancel",
        caption="A limit order rests below the market, and is cancelled.",
        needs_s=1.5,
        rank=5,
        play=_play_cancel,
        proof=proofs.cancel,
    ),
    Scene(
        name="retries",
        signal_id="demo-retry",
        caption="No connection, twice: certainly not sent, so it is sent again, after a wait.",
        needs_s=3.5,
        rank=7,
        play=_play_retry,
        proof=proofs.retry,
    ),
    Scene(
        name="lost answer",
        signal_id="demo-lost",
        caption="The broker took the order and its answer is lost: ask, never send twice.",
        needs_s=4.1,
        rank=8,
        play=_play_lost,
        proof=proofs.lost,
    ),
    Scene(
        name="close with P&L",
        signal_id="demo-close",
        caption="The first position is sold: its profit or loss is booked.",
        needs_s=0.6,
        rank=3,
        play=_play_close,
        proof=proofs.close,
    ),
)
