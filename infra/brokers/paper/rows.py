"""Between the broker's values and the rows of its tables."""

from dataclasses import fields

from sqlalchemy import RowMapping, bindparam, update

from domain.broker import BrokerFill, BrokerState
from domain.terms import (
    AccountId,
    ExecId,
    OrderType,
    Side,
    TimeInForce,
)
from infra.brokers.paper.orders import Due, Execution, PaperOrder
from infra.brokers.paper.tables import ORDERS

_FIELDS = tuple(each.name for each in fields(PaperOrder))
_CHANGING = ("cum_qty", "exec_count", "state", "reason", "due", "due_at", "transact_time")

UPDATE_ORDER = (
    update(ORDERS)
    .where(ORDERS.c.seq == bindparam("order_seq"))
    .values({name: bindparam(f"new_{name}") for name in _CHANGING})
)


def order_row(order: PaperOrder) -> dict[str, object]:
    """Return the row of a new order."""
    return {name: getattr(order, name) for name in _FIELDS}


def changed_row(order: PaperOrder) -> dict[str, object]:
    """Return what ``UPDATE_ORDER`` needs: the rest of an order never changes."""
    changes = {f"new_{name}": getattr(order, name) for name in _CHANGING}
    return {"order_seq": order.seq, **changes}


def order_of(row: RowMapping) -> PaperOrder:
    """Return the order that a row holds."""
    return PaperOrder(
        **dict(row)
        | {
            "account_id": AccountId(row["account_id"]),
            "side": Side(row["side"]),
            "order_type": OrderType(row["order_type"]),
            "time_in_force": TimeInForce(row["time_in_force"]),
            "state": BrokerState(row["state"]),
            "due": None if row["due"] is None else Due(row["due"]),
        }
    )


def execution_row(execution: Execution) -> dict[str, object]:
    """Return the row of an execution; the order it belongs to says the rest."""
    fill = execution.fill
    return {
        "order_seq": execution.order_seq,
        "exec_id": fill.exec_id,
        "last_qty": fill.last_qty,
        "last_px": fill.last_px,
        "commission": fill.commission,
        "tax": fill.tax,
        "transact_time": fill.transact_time,
    }


def execution_of(row: RowMapping, order: PaperOrder) -> Execution:
    """Return the execution of ``order`` that a row holds."""
    fill = BrokerFill(
        client_order_id=order.client_order_id,
        broker_order_id=order.broker_order_id,
        trade_date=order.trade_date,
        exec_id=ExecId(row["exec_id"]),
        symbol=order.symbol,
        side=order.side,
        last_qty=row["last_qty"],
        last_px=row["last_px"],
        commission=row["commission"],
        tax=row["tax"],
        transact_time=row["transact_time"],
    )
    return Execution(order_seq=order.seq, account_id=order.account_id, fill=fill)
