"""Who may have an order in doubt that looks like others: one at a time, the others stand in line.

Only where the broker does not carry our ids. What is kept here is a plan of who is next; that no
two are in doubt at once is asserted by the store, which refuses the second.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from actors.messages import Told
from domain.broker import BrokerOrder
from domain.errors import InvalidInputError
from domain.fingerprint import is_about
from domain.terms import ClientOrderId, Side, Symbol


@dataclass(frozen=True, slots=True)
class AskClaim:
    """An order wants to be the one of its look that may be in doubt; harmless when repeated."""

    client_order_id: ClientOrderId
    claim: str


@dataclass(frozen=True, slots=True)
class ClaimGranted:
    """The order may be sent; no other of its look is."""


@dataclass(frozen=True, slots=True)
class ClaimTaken:
    """The order has to wait; ``holder`` is the one of its look that may be in doubt, if known."""

    holder: ClientOrderId | None


@dataclass(frozen=True, slots=True)
class ReleaseClaim:
    """What became of the order is certain, or it is not sent after all."""

    client_order_id: ClientOrderId


@dataclass(frozen=True, slots=True)
class ClaimLost:
    """The store knows of another order of this look in doubt."""

    client_order_id: ClientOrderId


@dataclass(frozen=True, slots=True)
class LookAlike:
    """The broker shows an order of nobody's that looks like one that was given up."""

    order: BrokerOrder


@dataclass(frozen=True, slots=True)
class Decided:
    """An order did what a person decided about it, or says why not."""

    told: Told
    error: InvalidInputError | None


class Claims:
    """One holder for each look, and a line behind it."""

    def __init__(self) -> None:
        self._holders: dict[str, ClientOrderId] = {}
        self._claims: dict[ClientOrderId, str] = {}  # Of holders and of those in line.
        self._lines: dict[str, dict[ClientOrderId, None]] = {}
        self._unsure: set[str] = set()  # Somebody holds it; the store knows who.

    def take(self, claim: str, known: ClientOrderId) -> bool:
        """Grant the claim, or put the order in line; return whether it was granted."""
        holder = self._holders.get(claim)
        if holder == known:
            return True
        self._claims[known] = claim
        if holder is None and claim not in self._unsure:
            self._holders[claim] = known
            return True
        self._lines.setdefault(claim, {})[known] = None
        return False

    def holder(self, claim: str) -> ClientOrderId | None:
        """Return who has the claim; None when nobody does, or only the store knows."""
        return self._holders.get(claim)

    def release(self, known: ClientOrderId) -> ClientOrderId | None:
        """Take an order out; return who holds its claim now instead, None when nobody was next."""
        claim = self._claims.pop(known, None)
        if claim is None:
            return None
        line = self._lines.get(claim, {})
        line.pop(known, None)
        if self._holders.get(claim) != known:
            return None
        del self._holders[claim]
        return self._next(claim)

    def lose(self, known: ClientOrderId) -> None:
        """Put a holder back in line: the store says that another order holds its claim."""
        claim = self._claims.get(known)
        if claim is not None and self._holders.get(claim) == known:
            del self._holders[claim]
            self._lines[claim] = {known: None, **self._lines.get(claim, {})}
            self._unsure.add(claim)

    def rebuild(self, held: Mapping[str, ClientOrderId]) -> tuple[ClientOrderId, ...]:
        """Take over what the store says is in doubt; return who is granted a claim by that."""
        for claim, known in held.items():
            before = self._holders.get(claim)
            if before not in (None, known):
                self.lose(before)
            self._holders[claim], self._claims[known] = known, claim
            self._lines.get(claim, {}).pop(known, None)
        unsure, self._unsure = self._unsure - held.keys(), set()
        granted = (self._next(claim) for claim in sorted(unsure))
        return tuple(known for known in granted if known is not None)

    def covers(self, symbol: Symbol, side: Side) -> bool:
        """Return whether an order of that symbol and side may be in doubt."""
        return any(is_about(claim, symbol, side) for claim in self._holders) or any(
            is_about(claim, symbol, side) for claim in self._unsure
        )

    def _next(self, claim: str) -> ClientOrderId | None:
        line = self._lines.get(claim)
        if not line:
            self._lines.pop(claim, None)
            return None
        known = next(iter(line))
        del line[known]
        self._holders[claim] = known
        return known
