"""Journal records for the screens' tests, made from events."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import count

from domain.ids import client_order_id
from domain.journal import Record
from domain.position import PositionBook, RecordedFill, change_for, evolve_book
from domain.settings import Settings
from domain.terms import AccountId, Side, SignalId, Symbol
from infra.screens.model import BlotterModel
from tests.unit.domain.orders import B1, DAY, NOW, a_signal, accepted, created, filled, started

PAPER = AccountId("paper")


class Journal:
    """Numbers events as a journal does, and applies them to a model."""

    def __init__(self, model=None):
        self.model = model or BlotterModel(Settings())
        self._seq = count(1)
        self._book = PositionBook.empty(PAPER)

    def tell(self, stream, *events):
        """Apply events of one stream; return their lines on the tape."""
        return [self.model.apply(self.record(stream, event)) for event in events]

    def record(self, stream, event):
        seq = next(self._seq)
        return Record(
            seq=seq,
            stream=stream,
            stream_seq=seq,
            kind=type(event).__name__,
            topics=(),
            event=event,
            recorded_at=NOW + timedelta(seconds=seq),
        )

    def order(self, signal_id, *events, **changes):
        """Create an order, tell what happens to it, and return the last line of the tape."""
        signal = a_signal(signal_id=SignalId(signal_id), **changes)
        return self.more(signal_id, created(signal), *events)

    def more(self, signal_id, *events):
        return self.tell(f"order/{client_order_id(PAPER, SignalId(signal_id))}", *events)[-1]

    def bought(self, signal_id, qty=100, px=70_000):
        """Buy, and book it."""
        fill = filled(qty, "1", px=px)
        line = self.order(signal_id, started(), accepted(), fill, order_qty=Decimal(qty))
        self.book(signal_id, fill, Side.BUY)
        return line

    def sold(self, signal_id, qty=100, px=72_000):
        """Sell, and book it; return the line about the position."""
        fill = replace(filled(qty, "2", px=px), tax=Decimal(90))
        self.order(signal_id, started(), accepted(), fill, order_qty=Decimal(qty), side=Side.SELL)
        return self.book(signal_id, fill, Side.SELL)

    def book(self, signal_id, fill, side):
        recorded = RecordedFill(
            seq=next(self._seq),
            client_order_id=client_order_id(PAPER, SignalId(signal_id)),
            broker_order_id=B1,
            exec_id=fill.exec_id,
            trade_date=DAY,
            symbol=Symbol("005930"),
            side=side,
            last_qty=fill.last_qty,
            last_px=fill.last_px,
            commission=fill.commission,
            tax=fill.tax,
            transact_time=NOW,
        )
        change = change_for(self._book, recorded, NOW)
        self._book = evolve_book(self._book, change)
        return self.tell("position/paper", change)[-1]
