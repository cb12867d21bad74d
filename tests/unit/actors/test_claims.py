"""Who may be in doubt when several orders look the same."""

import pytest

from actors.claims import Claims
from domain.errors import OutcomeUnknownError
from domain.fingerprint import fingerprint
from domain.terms import Side
from infra.brokers.paper import FaultPlan, PaperSettings
from run import main
from tests.desks import buy, sell
from tests.unit.actors.tales import begun, raise_always, seconds_between
from tests.unit.domain.orders import a_signal

ONE, OTHER = fingerprint(a_signal()), fingerprint(a_signal(side=Side.SELL))


@pytest.fixture
def claims():
    """Claims of one look: a has it, b and c stand in line."""
    made = Claims()
    assert made.take(ONE, "a")
    assert not made.take(ONE, "b")
    assert not made.take(ONE, "c")
    return made


@pytest.fixture
def plain(desk):
    desk.paper = PaperSettings(latency_s=(0.01, 0.01), client_ids=False, exec_ids=False)
    return desk


def test_asking_again_changes_nothing(claims):
    assert claims.take(ONE, "a")
    assert not claims.take(ONE, "b")
    assert claims.release("a") == "b"
    assert claims.release("b") == "c"
    assert claims.release("c") is None


def test_another_look_is_another_claim(claims):
    assert claims.take(OTHER, "d")
    assert claims.release("d") is None


def test_who_leaves_the_line_is_not_next(claims):
    assert claims.release("b") is None
    assert claims.release("a") == "c"
    assert claims.release("a") is None


def test_what_the_store_says_counts(claims):
    assert claims.rebuild({ONE: "x"}) == ()

    assert not claims.take(ONE, "a")
    assert claims.release("x") == "a"
    assert claims.release("a") == "b"


def test_a_refused_claim_waits_for_the_one_that_the_store_names(claims):
    claims.lose("a")

    assert not claims.take(ONE, "d")
    assert claims.covers("005930", Side.BUY)
    assert claims.rebuild({ONE: "x"}) == ()
    assert claims.release("x") == "a"


def test_a_refused_claim_is_granted_when_the_store_names_nobody(claims):
    claims.lose("a")

    assert claims.rebuild({}) == ("a",)
    assert claims.take(ONE, "a")


def test_only_who_holds_a_claim_can_lose_it(claims):
    claims.lose("b")
    claims.lose("stranger")

    assert claims.take(ONE, "a")


def test_claims_know_what_they_are_about(claims):
    assert claims.covers("005930", Side.BUY)
    assert not claims.covers("005930", Side.SELL)
    claims.release("c")
    claims.release("b")
    claims.release("a")
    assert not claims.covers("005930", Side.BUY)


def test_a_claim_that_the_store_refuses_crashes_nobody(plain, monkeypatch):
    take, forgotten = Claims.take, [True, True]
    monkeypatch.setattr(
        Claims, "take", lambda *asked: forgotten.pop() if forgotten else take(*asked)
    )
    plain.faults = FaultPlan.script({("place", 1): "answer_lost_before_booking"})
    begun(plain).tell(buy("s-1"), buy("s-2"))

    plain.until(lambda: "IN_DOUBT" in (plain.status("s-1"), plain.status("s-2")))
    plain.run_for(3)

    assert {plain.status("s-1"), plain.status("s-2")} == {"IN_DOUBT", "PENDING"}
    assert sorted(len(plain.events("SubmitStarted", one)) for one in ("s-1", "s-2")) == [0, 1]
    assert plain.engine.stats().restarts == 0


def test_an_executor_that_crashes_keeps_twins_apart(plain):
    plain.faults = FaultPlan.script({("place", 1): "answer_lost_after_booking"})
    begun(plain).tell(buy("s-1"), buy("s-2"), sell("s-3"))
    plain.until(lambda: plain.status("s-1") == "IN_DOUBT")

    plain.crash("executor")
    plain.until_rest("s-1", "s-2", "s-3")

    assert len(plain.ledger().orders) == 3
    plain.check()


def test_a_twin_is_apart_from_one_in_doubt_of_an_earlier_process(plain):
    plain.faults = FaultPlan.script({("place", 1): "answer_lost_after_booking"})
    begun(plain).tell(buy("s-1"))
    plain.until(lambda: plain.status("s-1") == "SUBMITTED")
    plain.run_for(1)

    plain.restart(faults=FaultPlan())
    plain.tell(buy("s-2"))
    plain.until_rest("s-1", "s-2")

    accepted = [plain.events("Accepted", one)[0].source for one in ("s-1", "s-2")]
    assert accepted == ["LOOK", "ANSWER"]
    plain.check()


def test_a_twin_that_waits_too_long_is_not_sent_late(plain):
    plain.faults = FaultPlan.script({("place", 1): "answer_lost_before_booking"})
    begun(plain).tell(buy("s-1"), buy("s-2"))

    plain.until_status("FAILED", signal_id="s-2")

    reason = plain.order("s-2").reason
    assert reason.startswith("not sent within its deadline; it waited 30.")
    assert f"behind order {plain.order('s-1').client_order_id}, which looks the same" in reason
    assert plain.status("s-1") == "IN_DOUBT"


def test_order_show_tells_what_a_twin_waited_for_while_every_look_failed(plain, capsys):
    plain.faults = FaultPlan.script({("place", 1): "answer_lost_after_booking"})
    begun(plain)
    plain.gateway.before["list_orders"] = raise_always(OutcomeUnknownError("HTTP 500"))
    plain.tell(buy("s-1"), buy("s-2"))
    plain.until_status("FAILED", signal_id="s-2")

    twin = plain.order("s-1").client_order_id
    main(["order", "show", "s-2", "--store", str(plain.path)])

    told = " ".join(capsys.readouterr().out.split())
    assert "not sent within its deadline" in told
    assert f"behind order {twin}" in told


def test_a_claim_says_who_has_it(claims):
    assert claims.holder(ONE) == "a"
    claims.lose("a")
    assert claims.holder(ONE) is None


def test_where_ids_are_carried_twins_do_not_wait(desk):
    desk.faults = FaultPlan.script({("place", 1): "answer_lost_after_booking"})
    begun(desk).tell(buy("s-1"), buy("s-2"))

    desk.until_rest("s-1", "s-2")

    sent = [desk.events("SubmitStarted", one)[0] for one in ("s-1", "s-2")]
    assert abs(seconds_between(sent[0].since, sent[1].since)) < 0.5
    assert [event.claim for event in sent] == [None, None]
