"""What keeps a placement back at the last moment: the guard, or a yes that came meanwhile."""

from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import TypeAlias

from actors.errors import WithheldError
from actors.messages import BrokerCall, Place
from domain.errors import error_text
from domain.ports import Guard
from domain.terms import ClientOrderId, StrategyId, Symbol

# How long orders that are held back wait before the guard is looked at again.
HELD_S = 1.0
Scope: TypeAlias = tuple[Symbol, StrategyId]
"""What the guard goes by."""


@dataclass(frozen=True, slots=True)
class Recall:
    """The broker has the order, or it has ended: what still waits to be sent of it is not sent."""

    client_order_id: ClientOrderId


def passing(guard: Guard, call: BrokerCall) -> AbstractContextManager[object]:
    """Let a call pass; while inside, a halt waits for its end.

    Raises:
        WithheldError: It is a placement, and the guard said no or could not look.
    """
    if not isinstance(call, Place):
        return nullcontext()
    return _held(guard, call.request.symbol, call.strategy_id)


def look(guard: Guard, scope: Scope) -> None:
    """Only look, for orders that were held back before.

    Raises:
        WithheldError: They are held back as before.
    """
    with _held(guard, *scope):
        pass


def _held(guard: Guard, symbol: Symbol, strategy_id: StrategyId) -> AbstractContextManager[object]:
    with ExitStack() as stack:
        try:
            stack.enter_context(guard.hold(symbol=symbol, strategy_id=strategy_id))
        except Exception as error:  # Whatever kept it from saying yes, nothing may be sent.
            text = error_text(error)
            raise WithheldError(text, retry_after_s=HELD_S, is_held=True) from error
        return stack.pop_all()
