"""What the actors themselves say no with."""

from domain.errors import NotSentError


class WithheldError(NotSentError):
    """An order was kept back on our side; uses no attempt.

    Attributes:
        is_held: By the guard, as in a halt; otherwise its time to be sent had passed.
    """

    def __init__(self, message: str, *, retry_after_s: float, is_held: bool = False) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.is_held = is_held
