"""What store tests arrange with: appends of whole orders, and a book that follows them."""

from domain.events import SignalRefused
from domain.journal import Append, LoadBook, LoadFills
from domain.lifecycle import topics_of
from domain.order import evolve
from domain.position import PositionBook, change_for, evolve_book
from domain.terms import AccountId, BrokerOrderId, SignalId
from infra.store.store import open_store
from tests.fakes_time import ManualClock
from tests.unit.domain.orders import NOW, a_signal, accepted, created, filled, started

PAPER = AccountId("paper")

# A process that says what was acknowledged; its argument is a folder or a URL.
WRITES_UNTIL_KILLED = """
import sys
from pathlib import Path
from domain.journal import Committed
from infra.log import configure_log
from infra.store.places import is_url
from tests.unit.infra.store.stores import a_filled_order, a_store

configure_log(level="warning")
named = sys.argv[1]
store = a_store(None, url=named) if is_url(named) else a_store(Path(named))
journal = store.journal()
def acknowledged(reply):
    assert isinstance(reply, Committed)
    print(reply.seq, reply.append.stream, flush=True)
number = 0
while True:
    for _ in range(20):
        number += 1
        for step in a_filled_order(number):
            journal.append(step, acknowledged)
    journal.drain()
"""


def a_store(folder, clock=None, *, url=None, **options):
    """Open the store in ``folder``, or the one at ``url``."""
    values = {"account_id": PAPER, "clock": clock or ManualClock()} | options
    return open_store(url or folder / "oncefill.db", **values)


def steps(*events, signal=None, life=1):
    """One append for each event of an order, ``created`` first."""
    order, appends = None, []
    for version, event in enumerate((created(signal), *events)):
        order = evolve(order, event)
        appends.append(
            Append(
                stream=f"order/{order.client_order_id}",
                version=version,
                events=(event,),
                topics=(topics_of(event, order),),
                state=order,
                life=life,
            )
        )
    return appends


def a_filled_order(number=1, *, qty=100, px=70_000, **changes):
    """One append for each step of an order that is filled in two parts."""
    signal = a_signal(signal_id=SignalId(f"s-{number}"), **changes)
    broker_id = BrokerOrderId(f"{number:010d}")
    return steps(
        started(),
        accepted(broker_id),
        filled(qty * 4 // 10, "1", broker_id, px),
        filled(qty - qty * 4 // 10, "2", broker_id, px),
        signal=signal,
    )


def a_note(text="busy", *, life=0, version=None):
    """An append to a stream that several write."""
    event = SignalRefused(signal_id="s-9", field="order_qty", reason=text, at=NOW)
    topics = (("signal.refused",),)
    return Append(stream="signal", version=version, events=(event,), topics=topics, life=life)


def commit(journal, *appends):
    """Append, drain and return the replies."""
    replies = []
    for append in appends:
        journal.append(append, replies.append)
    journal.drain()
    return replies


def ask(journal, query):
    """Load, drain and return the answer."""
    replies = []
    journal.load(query, replies.append)
    journal.drain()
    return replies[0].answer


def book_fills(journal, account_id=PAPER):
    """Do what the PositionActor does: apply every fill after the checkpoint."""
    book = ask(journal, LoadBook())
    for fill in ask(journal, LoadFills(book.checkpoint)):
        commit(journal, book_append(book, fill))
        book = ask(journal, LoadBook())
    assert book.account_id == account_id
    return book


def book_append(book: PositionBook, fill):
    """The append that applies ``fill`` to ``book``."""
    change = change_for(book, fill, NOW)
    return Append(
        stream=f"position/{book.account_id}",
        version=book.version,
        events=(change,),
        topics=(("position.changed",),),
        state=evolve_book(book, change),
    )


def passes(guard, symbol="005930", strategy_id=""):
    """Go through a guard as an order does."""
    with guard.hold(symbol=symbol, strategy_id=strategy_id):
        pass
