"""Errors, named by what the caller may do next."""


class OncefillError(Exception):
    """Any error that Oncefill raises on purpose; its text says what happened and what to do."""


def error_text(error: BaseException) -> str:
    """Return what may be logged of an error: our own words, or where a stranger's came from.

    A stranger's text may carry whatever it was working on.
    """
    if isinstance(error, OncefillError | AssertionError):
        return str(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "no text is kept"
    code = trace.tb_frame.f_code
    return f"in {code.co_name}, {code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"


class GatewayError(OncefillError):
    """A broker call that did not end in an answer; the subclass says what may be done next."""


class NotSentError(GatewayError):
    """Nothing reached the broker: the same request may be sent again."""


class HaltedError(NotSentError):
    """A halt holds the order back; it may be sent once the halt is over."""


class RateLimitedError(GatewayError):
    """The broker refused to look at the request; send it again after ``retry_after_s``."""

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RefusedError(GatewayError):
    """The broker looked at the request and said no; final for this request.

    Attributes:
        code: The broker's own code, kept for the audit trail.
    """

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class OutcomeUnknownError(GatewayError):
    """The request may have been executed: look it up before anything is sent again."""


class IllegalMoveError(OncefillError):
    """We broke a rule of our own. A bug: the actor crashes and starts again from the journal."""


class InvalidInputError(OncefillError):
    """Input from outside that cannot be used.

    Attributes:
        field: The field to correct; never its value, which may be anything.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


class SignalConflictError(InvalidInputError):
    """A known ``signal_id`` came with different content; the first order stands unchanged."""


class BusyError(OncefillError):
    """Too many orders wait to be sent; tell the signal again later."""


class StoreError(OncefillError):
    """The store cannot be used: unreadable, newer schema, disk error. Nothing was sent."""


class FencedError(StoreError):
    """Another engine has taken over this account; this one must stop."""


class AccountLockedError(OncefillError):
    """Another engine holds this account; the text names the holder."""


class ConflictError(StoreError):
    """The stream holds more events than the writer believed; the writer must load it again."""


class NotCreatedError(ConflictError):
    """What the stream was to begin with has been refused: it belongs to another creation."""


class ClaimRefusedError(StoreError):
    """Another order that looks the same at the broker is in doubt; ask for the claim again."""


class EngineStoppedError(OncefillError):
    """The engine was stopped or has failed; nothing was accepted."""
