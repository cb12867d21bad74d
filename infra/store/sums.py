"""What the tables add up to, each counted by itself: no replay, no arithmetic of the domain."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from domain.money import exact
from domain.terms import ZERO, Side
from infra.store.tables import CHECKPOINTS, DAILY_PNL, FILLS, ORDERS, POSITIONS

_Row = Mapping[str, Any]
_Totals = dict[Any, Decimal]


def _totals() -> _Totals:
    return defaultdict(lambda: ZERO)


class Sums:
    """Orders against fills, fills against positions, positions against days.

    Attributes:
        takers: What takes in a row of a table; the checkpoint's comes before the fills'.
    """

    def __init__(self) -> None:
        self.takers: dict[str, Callable[[_Row], None]] = {
            CHECKPOINTS.name: self._take_checkpoint,
            ORDERS.name: self._take_order,
            FILLS.name: self._take_fill,
            POSITIONS.name: self._take_position,
            DAILY_PNL.name: self._take_day,
        }
        self._checkpoint = 0
        self._of_orders, self._of_fills = _totals(), _totals()
        self._booked, self._held = _totals(), _totals()
        self._by_fills, self._by_symbol, self._by_day = _totals(), _totals(), _totals()

    def problems(self) -> Iterator[str]:
        """Yield what does not add up."""
        pairs = (
            ("filled, by orders and by fills", self._of_orders, self._of_fills),
            ("held, by fills and by positions", self._booked, self._held),
            ("charged, by fills and by positions", self._by_fills, self._by_symbol),
            ("earned, by positions and by days", self._by_symbol, self._by_day),
        )
        for what, one, other in pairs:
            for key in sorted(one.keys() | other.keys(), key=str):
                # Fills do not say what they realized.
                if one[key] != other[key] and not (
                    key == "realized_gross" and one is self._by_fills
                ):
                    yield f"{key} {what}: {one[key]:,f} and {other[key]:,f}"

    def _take_checkpoint(self, row: _Row) -> None:
        self._checkpoint = int(row["seq"])

    def _take_order(self, row: _Row) -> None:
        self._add(self._of_orders, f"{row['symbol']} {row['side']}", row["cum_qty"])

    def _take_fill(self, row: _Row) -> None:
        self._add(self._of_fills, f"{row['symbol']} {row['side']}", row["last_qty"])
        if row["seq"] <= self._checkpoint:
            sign = Side(row["side"]).sign
            self._add(self._booked, row["symbol"], row["last_qty"], sign)
            self._add(self._by_fills, "fees", row["commission"])
            self._add(self._by_fills, "taxes", row["tax"])

    def _take_position(self, row: _Row) -> None:
        self._add(self._held, row["symbol"], row["qty"])
        self._take_earned(self._by_symbol, row)

    def _take_day(self, row: _Row) -> None:
        self._take_earned(self._by_day, row)

    def _take_earned(self, totals: _Totals, row: _Row) -> None:
        for name in ("realized_gross", "fees", "taxes"):
            self._add(totals, name, row[name])

    @staticmethod
    def _add(totals: _Totals, key: Any, value: Any, sign: int = 1) -> None:
        with exact():
            totals[key] += Decimal(value) * sign
