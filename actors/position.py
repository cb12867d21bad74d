"""The only writer of positions and P&L: applies the fill ledger in journal order, once each.

A message that something was filled is only a wake-up. What was applied, and how far, commit
together, so whatever crashes, each fill counts once.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import structlog

from actors.machine import MachineActor, ask_journal
from actors.messages import CompareBook, Differences, Reconcile, Wake
from domain.broker import BrokerPosition
from domain.events import ReconcileBroke
from domain.journal import Append, LoadBook, Loaded, LoadFills, Query
from domain.ports import Journal
from domain.position import (
    PositionBook,
    PositionChanged,
    RecordedFill,
    change_for,
    evolve_book,
    topics_of_change,
)
from domain.terms import ZERO, AccountId, Symbol

log = structlog.get_logger()

BATCH = 1000
COMPARE_AGAIN_S = 5.0


class PositionActor(MachineActor[PositionBook]):
    """Keeps the position book of one account."""

    def __init__(
        self, account_id: AccountId, journal: Journal, tracker: Callable[[object], None]
    ) -> None:
        super().__init__(stream=f"position/{account_id}", journal=journal)
        self._tracker = tracker
        self._is_asking = False
        self._woken_for = 0
        self._asked_for = 0
        self._differs: Differences = {}
        self._compared_at_s = 0.0

    def initial(self) -> PositionBook | None:
        """Always ask the journal."""
        return None

    def query(self) -> Query:
        """Ask for the book as of its checkpoint."""
        return LoadBook()

    def restore(self, answer: PositionBook) -> PositionBook:
        """Return the book; a first look at the ledger follows."""
        self._woken_for = 1
        return answer

    def handle(self, message: Any) -> None:
        """Handle one message."""
        match message:
            case Wake(seq=seq):
                self._woken_for = max(self._woken_for, seq)
                self._ask()
            case Loaded(query=LoadFills(), answer=fills):
                self._is_asking = False
                self._apply(fills)
            case CompareBook(positions=positions, done=done):
                differs = self._differing(positions)
                self._compare(differs)
                for say in done:
                    say(differs)
            case Reconcile():
                self._tracker(message)
            case _:
                msg = f"the position actor cannot handle {type(message).__name__}"
                raise TypeError(msg)

    def proceed(self) -> None:
        """Look whether there is more to apply."""
        self._ask()

    def _ask(self) -> None:
        if self._is_asking or not self.is_durable or self._woken_for <= self._asked_for:
            return
        self._is_asking = True
        self._asked_for = self._woken_for
        ask_journal(self, self._journal, LoadFills(self.state.checkpoint, BATCH))

    def _apply(self, fills: tuple[RecordedFill, ...]) -> None:
        before = book = self.state
        changes: list[PositionChanged] = []
        topics: list[tuple[str, ...]] = []
        for fill in fills:
            change = change_for(book, fill, self.system.now())
            if change is not None:
                topics.append(topics_of_change(book.position(fill.symbol), change))
                book = evolve_book(book, change)
                changes.append(change)
        if len(fills) == BATCH:
            self._asked_for = 0  # There may be more.
        if changes:
            self.append(book, tuple(changes), tuple(topics), version=before.version)
        else:
            self._ask()

    def _differing(self, positions: tuple[BrokerPosition, ...]) -> Differences:
        theirs = {position.symbol: position.qty for position in positions}
        ours = {symbol: held.qty for symbol, held in self.state.positions.items()}
        return {
            symbol: (ours.get(symbol, ZERO), theirs.get(symbol, ZERO))
            for symbol in theirs.keys() | ours.keys()
            if ours.get(symbol, ZERO) != theirs.get(symbol, ZERO)
        }

    def _compare(self, differs: Differences) -> None:
        """Raise a break when two looks find the same difference: no fill was on its way."""
        now_s = self.system.monotonic()
        is_at_once = now_s - self._compared_at_s < COMPARE_AGAIN_S / 2
        if differs and self._differs and is_at_once:
            return  # Two looks at the same moment are one.
        for symbol in sorted(differs):
            if differs[symbol] == self._differs.get(symbol):
                self._raise_break(symbol, *differs[symbol])
        if differs.keys() - self._differs.keys():
            self.after(COMPARE_AGAIN_S, Reconcile(), "compare")
        self._differs, self._compared_at_s = differs, now_s

    def _raise_break(self, symbol: Symbol, ours: Decimal, theirs: Decimal) -> None:
        broke = ReconcileBroke(
            subject=f"position {symbol}",
            ours=str(ours),
            theirs=str(theirs),
            at=self.system.now(),
        )
        batch = Append(
            stream="engine",
            version=None,
            events=(broke,),
            topics=(("reconcile.break",),),
            life=self.life,
        )
        self._journal.append(batch, _ignore)


def _ignore(_: object) -> None:
    """A break that was not written down is found again by the next comparison."""
