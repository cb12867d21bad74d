"""What a runner or a person tells: trade, cancel, resolve. Read strictly, then checked."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, date, datetime
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from hashlib import sha256
from typing import Any, TypeVar

from domain.checks import LONGEST_ID, id_text
from domain.errors import InvalidInputError
from domain.instrument import Instrument, Instruments, is_on_lot, is_on_tick, tick_size
from domain.money import parse_decimal, trim
from domain.terms import (
    AccountId,
    BrokerOrderId,
    OrderType,
    Side,
    SignalId,
    StrategyId,
    Symbol,
    TimeInForce,
    Verdict,
)

MAX_ORDER_QTY = Decimal(10**9)
LONGEST_SYMBOL = 20
LONGEST_REASON = 200

_SYMBOL_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_/")

_NO_STRATEGY = StrategyId("")

E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A wish to trade; becomes exactly one order.

    Types are enforced when it is admitted, not here, so that telling one never raises.

    Attributes:
        signal_id: The caller's own id. The same id told twice makes one order.
        order_qty: Shares, above zero.
        limit_px: Price of a limit order, in the instrument's currency; None for a market order.
        strategy_id: Who wanted it; may be empty.
        deadline: Not sent later than this (aware); None takes the engine's default.
    """

    signal_id: SignalId
    account_id: AccountId
    symbol: Symbol
    side: Side
    order_qty: Decimal
    order_type: OrderType = OrderType.MARKET
    limit_px: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    strategy_id: StrategyId = _NO_STRATEGY
    deadline: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """A wish to take the order of a signal off the book; ``reason`` is kept in the audit trail."""

    signal_id: SignalId
    account_id: AccountId
    reason: str = ""
    requested_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolve:
    """What a person found out about an order in doubt; ``reason`` is kept in the audit trail.

    Attributes:
        verdict: ADOPT names the order at the broker; ABSENT says that there is none.
        broker_order_id: The broker's number, for ADOPT only.
        trade_date: The day of that number, for ADOPT only; numbers start again each day.
    """

    signal_id: SignalId
    account_id: AccountId
    verdict: Verdict
    reason: str
    requested_by: str = ""
    broker_order_id: BrokerOrderId | None = None
    trade_date: date | None = None


# The fields that each may have, in order, and what they are when left out.
_DEFAULTS: Mapping[type, Mapping[str, Any]] = {
    kind: {field.name: field.default for field in fields(kind)}
    for kind in (Signal, Cancel, Resolve)
}


def parse_signal(raw: Mapping[str, object] | Signal) -> Signal:
    """Return the signal with every field typed; nothing is guessed.

    Raises:
        InvalidInputError: A field is unknown, missing or of no use; it is named.
    """
    values = _values(raw, Signal)
    limit_px = values["limit_px"]
    return Signal(
        signal_id=SignalId(id_text("signal_id", values["signal_id"])),
        account_id=AccountId(id_text("account_id", values["account_id"])),
        symbol=parse_symbol(values["symbol"]),
        side=_member("side", values["side"], Side),
        order_qty=parse_decimal("order_qty", values["order_qty"]),
        order_type=_member("order_type", values["order_type"], OrderType),
        limit_px=None if limit_px is None else parse_decimal("limit_px", limit_px),
        time_in_force=_member("time_in_force", values["time_in_force"], TimeInForce),
        strategy_id=StrategyId(id_text("strategy_id", values["strategy_id"], shortest=0)),
        deadline=_moment("deadline", values["deadline"]),
    )


def parse_cancel(raw: Mapping[str, object] | Cancel) -> Cancel:
    """Return the wish to cancel with every field typed.

    Raises:
        InvalidInputError: A field is unknown, missing or of no use; it is named.
    """
    values = _values(raw, Cancel)
    return Cancel(
        signal_id=SignalId(id_text("signal_id", values["signal_id"])),
        account_id=AccountId(id_text("account_id", values["account_id"])),
        reason=_free_text("reason", values["reason"]),
        requested_by=_free_text("requested_by", values["requested_by"]),
    )


def parse_resolve(raw: Mapping[str, object] | Resolve) -> Resolve:
    """Return the decision about an order in doubt with every field typed.

    Raises:
        InvalidInputError: A field is unknown, missing or of no use; it is named.
    """
    values = _values(raw, Resolve)
    verdict = _member("verdict", values["verdict"], Verdict)
    reason = _free_text("reason", values["reason"])
    if not reason.strip():
        raise InvalidInputError("reason", "say why; it is kept in the audit trail")
    number, day = values["broker_order_id"], values["trade_date"]
    if verdict is Verdict.ABSENT:
        for name, value in (("broker_order_id", number), ("trade_date", day)):
            if value is not None:
                raise InvalidInputError(name, "leave it out of ABSENT: there is no order to name")
    return Resolve(
        signal_id=SignalId(id_text("signal_id", values["signal_id"])),
        account_id=AccountId(id_text("account_id", values["account_id"])),
        verdict=verdict,
        reason=reason,
        requested_by=_free_text("requested_by", values["requested_by"]),
        broker_order_id=_number(number) if verdict is Verdict.ADOPT else None,
        trade_date=_day("trade_date", day) if verdict is Verdict.ADOPT else None,
    )


def parse_symbol(value: object) -> Symbol:
    """Return a symbol from outside.

    Raises:
        InvalidInputError: Not the text of a symbol.
    """
    is_short = isinstance(value, str) and 0 < len(value) <= LONGEST_SYMBOL
    if isinstance(value, str) and is_short and _SYMBOL_CHARACTERS.issuperset(value):
        return Symbol(value)
    problem = f"give 1 to {LONGEST_SYMBOL} of letters, digits, dot, hyphen, underscore and slash"
    raise InvalidInputError(field="symbol", problem=problem)


def admit(
    signal: Signal, *, account_id: AccountId, instruments: Instruments, on: date, now: datetime
) -> None:
    """Check a parsed signal against the rules of the account and of the market.

    A refusal does not tell a new signal from one told again, whose deadline has passed by now:
    look for its order before it is refused for good.

    Args:
        signal: From ``parse_signal``.
        account_id: The engine's own account.
        instruments: Lots and ticks.
        on: The trade date, for the ticks of that day.
        now: Wall time, for the deadline.

    Raises:
        InvalidInputError: It makes no order; the field to correct is named.
    """
    if signal.account_id != account_id:
        raise InvalidInputError(field="account_id", problem=f"this engine trades {account_id} only")
    instrument = instruments.get(signal.symbol)
    if not 0 < signal.order_qty <= MAX_ORDER_QTY:
        raise InvalidInputError(
            field="order_qty", problem=f"give more than 0 and at most {MAX_ORDER_QTY}"
        )
    if not is_on_lot(instrument, signal.order_qty):
        raise InvalidInputError(
            field="order_qty", problem=f"give a multiple of the lot, {instrument.lot}"
        )
    if signal.deadline is not None and signal.deadline <= now:
        raise InvalidInputError(
            field="deadline", problem="it has passed; tell a new signal if still wanted"
        )
    _check_price(signal, instrument, on)


def signal_digest(signal: Signal) -> str:
    """Return the SHA-256 (hex) of what a parsed signal says; 100 and 100.0 say the same.

    A field that is None leaves no trace, so that fields added later keep older digests valid.
    """
    lines: list[str] = []
    for name in _DEFAULTS[Signal]:
        value = getattr(signal, name)
        if value is not None:
            text = _canonical(value)
            lines.append(f"{name}={len(text)}:{text}")
    return sha256("\n".join(lines).encode()).hexdigest()


def _check_price(signal: Signal, instrument: Instrument, on: date) -> None:
    px = signal.limit_px
    if signal.order_type is OrderType.MARKET:
        if px is not None:
            raise InvalidInputError(field="limit_px", problem="leave it out of a MARKET order")
        return
    if px is None or px <= 0:
        raise InvalidInputError(field="limit_px", problem="a LIMIT order needs a price above 0")
    if not is_on_tick(instrument, px, on):
        tick = tick_size(instrument, px, on)
        problem = f"give a multiple of the tick at that price, {tick}"
        raise InvalidInputError(field="limit_px", problem=problem)


def _values(raw: object, kind: type[Any]) -> Mapping[str, object]:
    """The fields as they came, with the defaults of those that did not."""
    known = _DEFAULTS[kind]
    if isinstance(raw, kind):
        return {name: getattr(raw, name) for name in known}
    if not isinstance(raw, Mapping):
        raise InvalidInputError(kind.__name__.lower(), "give one object with named fields")
    for name in raw:
        if name not in known:
            raise _unknown_field(name, tuple(known))
    values = {**known, **raw}
    for name, value in values.items():
        if value is MISSING:
            raise InvalidInputError(name, "it is required")
    return values


def _unknown_field(name: object, known: tuple[str, ...]) -> InvalidInputError:
    # The name comes from outside as well: it is shown short and without control characters.
    shown = ascii(str(name)[:LONGEST_ID])[1:-1][:LONGEST_ID]
    near = get_close_matches(shown, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    return InvalidInputError(shown, f"unknown field; {hint}")


def _free_text(field: str, value: object) -> str:
    if isinstance(value, str) and len(value) <= LONGEST_REASON and value.isprintable():
        return value
    raise InvalidInputError(field, f"give at most {LONGEST_REASON} printable characters")


def _member(field: str, value: object, kind: type[E]) -> E:
    if isinstance(value, str):
        try:
            return kind(value)
        except ValueError:
            pass
    raise InvalidInputError(field, f"give one of {', '.join(kind)}")


def _number(value: object) -> BrokerOrderId:
    return BrokerOrderId(id_text("broker_order_id", value))


def _day(field: str, value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        if isinstance(value, str) and value.isascii():
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise InvalidInputError(field, "give the broker's day of that number, for example 2024-01-02")


def _moment(field: str, value: object) -> datetime | None:
    """An aware time, in UTC."""
    if value is None:
        return None
    problem = "give a time with its zone, for example 2024-01-02T09:30:00+09:00"
    try:
        # Digits of other scripts would be taken by fromisoformat.
        at = datetime.fromisoformat(value) if isinstance(value, str) and value.isascii() else value
        if isinstance(at, datetime) and at.utcoffset() is not None:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInputError(field, problem) from None
    raise InvalidInputError(field, problem)


def _canonical(value: object) -> str:
    match value:
        case Decimal():
            return str(trim(value))
        case datetime():
            return value.astimezone(UTC).isoformat()
        case _:
            return str(value)
