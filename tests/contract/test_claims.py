"""Of the orders that look the same where no ids are carried, one may be in doubt."""

from datetime import timedelta

import pytest

from domain.errors import ClaimRefusedError, ConflictError
from domain.events import SubmitStarted
from domain.journal import AppendFailed, Committed
from domain.terms import SignalId
from tests.unit.domain.orders import NOW, a_signal, accepted, doubted, not_sent
from tests.unit.infra.store.stores import commit, steps

CLAIM = "005930|BUY|100|MARKET||paper"


def claiming(number, *later, claim=CLAIM):
    """Return the appends of an order that is sent under a claim."""
    started = SubmitStarted(attempt=1, since=NOW, send_by=NOW + timedelta(seconds=2), claim=claim)
    return steps(started, *later, signal=a_signal(signal_id=SignalId(f"s-{number}")))


def kinds(replies):
    return [type(reply) for reply in replies]


def test_a_second_claim_is_refused_and_its_order_may_ask_again(journal):
    created, started = claiming(2)
    commit(journal, *claiming(1), created)

    refused = commit(journal, started)[0]

    assert isinstance(refused.error, ClaimRefusedError)
    assert kinds(commit(journal, started)) == [AppendFailed]
    commit(journal, claiming(1, doubted(), accepted())[2], claiming(1, doubted(), accepted())[3])
    assert kinds(commit(journal, started)) == [Committed]


def test_what_was_decided_on_a_refused_claim_is_a_conflict(journal):
    commit(journal, *claiming(1))

    created, started, later = claiming(2, doubted())
    replies = commit(journal, created, started, later)

    assert kinds(replies) == [Committed, AppendFailed, AppendFailed]
    assert isinstance(replies[2].error, ConflictError)


@pytest.mark.parametrize("claims", [(None, None), (CLAIM, "005930|SELL|100|MARKET||paper")])
def test_orders_without_a_claim_or_of_another_look_do_not_meet(journal, claims):
    for number, claim in enumerate(claims):
        replies = commit(journal, *claiming(number, claim=claim))

        assert kinds(replies) == [Committed, Committed]


def test_a_certain_end_of_the_attempt_gives_the_claim_up(journal):
    commit(journal, *claiming(1, not_sent()))

    assert kinds(commit(journal, *claiming(2))) == [Committed, Committed]


def test_claims_outlive_the_process(house):
    commit(house.journal(), *claiming(1))

    replies = commit(house.reopen(), *claiming(2))

    assert isinstance(replies[1].error, ClaimRefusedError)
