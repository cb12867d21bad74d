"""A broker's API over HTTP on loopback: one request, one connection, one answer in JSON."""

import http.client
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from typing import Any, Final

import msgspec

from domain.broker import (
    Absent,
    BrokerBalance,
    BrokerCapabilities,
    BrokerFill,
    BrokerNews,
    BrokerOrder,
    BrokerPosition,
    CancelAck,
    ClientIdSupport,
    FindResult,
    Found,
    OrderRef,
    OrderRequest,
    Page,
    PlaceAck,
)
from domain.errors import NotSentError, OutcomeUnknownError, RateLimitedError, RefusedError
from domain.terms import AccountId, ClientOrderId, OrderType, RequestId, TimeInForce

OK, REFUSED, LIMITED, BROKEN = 200, 422, 429, 500

# Monotonic seconds at which the request left: both processes have this machine's clock.
SENT: Final = "X-Sent"


class CancelWish(msgspec.Struct):
    """The arguments of ``cancel_order``."""

    ref: OrderRef
    request_id: RequestId


class Finding(msgspec.Struct):
    """The answer of ``find_order``."""

    order: BrokerOrder | None


class Refusal(msgspec.Struct):
    """Why the broker said no."""

    text: str
    code: str


# What each request carries, and what it is answered.
SHAPES: Final[dict[str, tuple[Any, Any]]] = {
    "place": (OrderRequest, PlaceAck),
    "cancel": (CancelWish, CancelAck),
    "find": (ClientOrderId, Finding),
    "orders": (datetime, Page[BrokerOrder]),
    "fills": (datetime, Page[BrokerFill]),
    "positions": (None, Page[BrokerPosition]),
    "balance": (None, BrokerBalance),
}


class HttpGateway:
    """domain.ports.BrokerGateway: whatever is not certain is unknown."""

    def __init__(self, port: int, *, timeout_s: float) -> None:
        self._port = port
        self._timeout_s = timeout_s

    @property
    def capabilities(self) -> BrokerCapabilities:
        """Client ids, and no stream: every fill is found by asking."""
        return BrokerCapabilities(
            name="paper",
            client_ids=ClientIdSupport.UNIQUE,
            order_types=frozenset(OrderType),
            times_in_force=frozenset(TimeInForce),
            has_stream=False,
            has_exec_ids=True,
            shorting=True,
            is_live=False,
        )

    def place_order(self, _account_id: AccountId, order: OrderRequest) -> PlaceAck:
        """Send a new order, once."""
        return self._post("place", order)

    def cancel_order(
        self, _account_id: AccountId, ref: OrderRef, request_id: RequestId
    ) -> CancelAck:
        """Ask the broker to take an order off the book."""
        return self._post("cancel", CancelWish(ref, request_id))

    def find_order(self, _account_id: AccountId, client_order_id: ClientOrderId) -> FindResult:
        """Return the order placed under that id, or Absent."""
        finding = self._post("find", client_order_id)
        return Absent(is_complete=True) if finding.order is None else Found(order=finding.order)

    def list_orders(self, _account_id: AccountId, since: datetime) -> Page[BrokerOrder]:
        """Return all orders that are open or changed since."""
        return self._post("orders", since)

    def list_fills(self, _account_id: AccountId, since: datetime) -> Page[BrokerFill]:
        """Return all executions since."""
        return self._post("fills", since)

    def list_positions(self, _account_id: AccountId) -> Page[BrokerPosition]:
        """Return all positions that are not flat."""
        return self._post("positions", None)

    def get_balance(self, _account_id: AccountId) -> BrokerBalance:
        """Return the cash of the account."""
        return self._post("balance", None)

    def subscribe(self, sink: Callable[[BrokerNews], None]) -> None:
        """There is no stream."""

    def close(self) -> None:
        """Nothing is kept open."""

    def _post(self, what: str, body: Any) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._timeout_s)
        with closing(connection):
            try:
                connection.connect()
            except OSError as error:
                msg = f"{what}: no connection to the broker; nothing was sent."
                raise NotSentError(msg) from error
            try:
                sent = {SENT: repr(time.monotonic())}
                connection.request("POST", f"/{what}", msgspec.json.encode(body), sent)
                answer = connection.getresponse()
                return _read(what, answer.status, answer.read())
            except (OSError, http.client.HTTPException, msgspec.MsgspecError) as error:
                msg = f"{what}: no usable answer ({type(error).__name__}); it may have been done."
                raise OutcomeUnknownError(msg) from error


def _read(what: str, status: int, body: bytes) -> Any:
    if status == OK:
        return msgspec.json.decode(body, type=SHAPES[what][1])
    if status == REFUSED:
        refusal = msgspec.json.decode(body, type=Refusal)
        raise RefusedError(refusal.text, code=refusal.code)
    if status == LIMITED:
        msg = f"{what}: too many requests; not looked at."
        raise RateLimitedError(msg, retry_after_s=1.0)
    msg = f"{what}: HTTP {status}; it may have been done."
    raise OutcomeUnknownError(msg)
