"""Reading what a person decides about an order in doubt."""

from datetime import UTC, date, datetime

import pytest

from domain.errors import InvalidInputError
from domain.signal import Resolve, parse_resolve
from domain.terms import Verdict

ABSENT = {
    "signal_id": "s-1",
    "account_id": "paper",
    "verdict": "ABSENT",
    "reason": "asked by telephone",
}
ADOPT = {**ABSENT, "verdict": "ADOPT", "broker_order_id": "0000000007", "trade_date": "2026-03-02"}


def test_a_mapping_becomes_a_decision_with_types():
    read = parse_resolve({**ADOPT, "requested_by": "kim"})

    assert read.verdict is Verdict.ADOPT
    assert (read.broker_order_id, read.trade_date) == ("0000000007", date(2026, 3, 2))
    assert parse_resolve(read) == read
    assert parse_resolve(ABSENT) == Resolve(**{**ABSENT, "verdict": Verdict.ABSENT})


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({**ABSENT, "verdict": "PERHAPS"}, "verdict"),
        ({**ABSENT, "reason": "  "}, "reason"),
        ({**ABSENT, "reason": "a\nb"}, "reason"),
        ({**ABSENT, "broker_order_id": "1"}, "broker_order_id"),
        ({**ABSENT, "trade_date": "2026-03-02"}, "trade_date"),
        ({**ADOPT, "broker_order_id": None}, "broker_order_id"),
        ({**ADOPT, "trade_date": None}, "trade_date"),
        ({**ADOPT, "trade_date": "yesterday"}, "trade_date"),
        ({**ADOPT, "trade_date": datetime(2026, 3, 2, tzinfo=UTC)}, "trade_date"),
        ({**ADOPT, "signal_id": ""}, "signal_id"),
        ({**ADOPT, "number": "1"}, "number"),
        ({"signal_id": "s-1"}, "account_id"),
    ],
)
def test_what_cannot_be_used_is_named(raw, field):
    with pytest.raises(InvalidInputError) as refused:
        parse_resolve(raw)

    assert refused.value.field == field
