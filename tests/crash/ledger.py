"""The paper broker's own book, read after its process has ended."""

from domain.terms import AccountId
from infra.brokers.paper import open_paper
from tests.crash.engine_process import SETTINGS
from tests.fakes_time import ManualClock


def broker_ledger(folder):
    """Open the book at rest and return all that it holds."""
    clock = ManualClock()
    gateway = open_paper(
        folder / "paper.db",
        clock=clock,
        scheduler=clock,
        instruments=SETTINGS.instruments,
        session=SETTINGS.session,
        fees=SETTINGS.fees,
    )
    try:
        return gateway.broker.ledger(AccountId("paper"))
    finally:
        gateway.close()
