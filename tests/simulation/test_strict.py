"""Where a person decides about what the broker does not show."""

from dataclasses import replace

from domain.events import Anomaly, Proof
from domain.settings import AbsentPolicy
from tests.simulation.test_oracle import KNOWN, SIGNAL, Bench, broken
from tests.unit.domain.orders import created, doubted, flagged, not_sent, started


def test_who_may_decide_that_it_is_absent_and_what_may_wait_for_a_person():
    bench = Bench(AbsentPolicy.STRICT)
    bench.write(created(SIGNAL), started(), doubted())
    bench.oracle.undecided.add(KNOWN)
    assert bench.oracle.unresolved() == ["s-1 is IN_DOUBT"]  # Nobody was asked.

    bench.write(replace(flagged(), anomaly=Anomaly.NOT_FOUND))
    assert bench.oracle.unresolved() == []
    bench.oracle.check_end()

    with broken("strict", "by a person"):
        bench.write(replace(not_sent(), proof=Proof.ABSENT))
