"""Who still waits for an answer of the order executor."""

from actors.messages import Receipt, Reply
from domain.errors import EngineStoppedError


class Taken:
    """Replies that a life of the executor owes; outlives it, so that none is left hanging."""

    def __init__(self) -> None:
        self._owed: set[Reply] = set()
        self._lives = 0

    def begin_life(self) -> bool:
        """Count a life of the executor; return whether there was one before."""
        self._lives += 1
        return self._lives > 1

    def add(self, reply: Reply) -> None:
        """Note that ``reply`` is owed."""
        self._owed.add(reply)

    def give(self, reply: Reply | None, answer: Receipt | Exception) -> None:
        """Answer, once."""
        if reply is not None:
            self._owed.discard(reply)
            reply(answer)

    def fail_all(self, reason: str) -> None:
        """Answer all that is owed: nobody will."""
        for reply in tuple(self._owed):
            self.give(reply, EngineStoppedError(reason))
