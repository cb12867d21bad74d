"""What an audit has found: a few problems of each check in words, the others counted."""

from dataclasses import dataclass
from typing import Final

_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked; ``detail`` says what is wrong, or how much was looked at."""

    name: str
    ok: bool
    detail: str


class Findings:
    """Problems by the name of their check; how many there are takes no room."""

    def __init__(self) -> None:
        self._first: dict[str, list[str]] = {}
        self._counts: dict[str, int] = {}

    def note(self, name: str, problem: str) -> None:
        """Add a problem to the check ``name``."""
        first = self._first.setdefault(name, [])
        if len(first) < _SHOWN:
            first.append(problem)
        self._counts[name] = self._counts.get(name, 0) + 1

    def check(self, name: str, detail: str) -> Check:
        """Return the check ``name``; ``detail`` is said when nothing is wrong."""
        more = self._counts.get(name, 0) - _SHOWN
        problems = "; ".join(self._first.get(name, ()))
        problems += f"; and {more:,} more" if more > 0 else ""
        return Check(name, ok=not problems, detail=problems or detail)
