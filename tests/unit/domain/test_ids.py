"""Order ids and request ids."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import cancel_request_id, client_order_id
from domain.terms import AccountId, ClientOrderId, SignalId

OURS = re.compile(r"[a-z2-7]{20}")
TEXTS = st.text("ab1:-é 삼", min_size=1, max_size=64)


def an_id(account="paper", signal="sig-1"):
    return client_order_id(AccountId(account), SignalId(signal))


def test_the_id_of_a_signal_never_changes():
    # Base32 of SHA-256 of "5:paper5:sig-1".
    assert an_id() == "7b4uurflcvjxxr4lhrkj"


@given(account=TEXTS, signal=TEXTS)
def test_an_order_id_is_20_lower_case_base32_characters(account, signal):
    assert OURS.fullmatch(an_id(account, signal))


@given(first=st.tuples(TEXTS, TEXTS), second=st.tuples(TEXTS, TEXTS))
def test_two_signals_never_share_an_id(first, second):
    assert (an_id(*first) == an_id(*second)) == (first == second)


@pytest.mark.parametrize(
    ("first", "second"),
    [(("a", "bc"), ("ab", "c")), (("1:a", "b"), ("1", "a1:b")), (("a", "b"), ("b", "a"))],
)
def test_the_border_between_account_and_signal_counts(first, second):
    assert an_id(*first) != an_id(*second)


@given(number=st.integers(1, 999))
def test_a_cancel_request_carries_kind_and_number_and_is_no_order_id(number):
    request_id = cancel_request_id(an_id(), number)

    assert request_id[:4] == f"1{number:03d}"
    assert len(request_id) == 20
    assert not OURS.fullmatch(request_id)
    assert OURS.fullmatch(request_id[4:] + "aaaa")


def test_each_request_of_each_order_has_its_own_id():
    orders = [an_id(signal=f"sig-{n}") for n in range(50)]

    ids = {cancel_request_id(order, number) for order in orders for number in range(1, 21)}

    assert len(ids) == 50 * 20


@pytest.mark.parametrize("number", [0, -1, 1000])
def test_a_request_number_that_does_not_fit_is_a_bug(number):
    with pytest.raises(AssertionError, match="cancel request"):
        cancel_request_id(ClientOrderId("a" * 20), number)
