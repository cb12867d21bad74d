"""A real process and a real SIGKILL: what was acknowledged is kept, and nothing is sent twice."""

import random

import pytest

from infra.store.audit import verify
from infra.store.reading import open_reader
from tests.crash.ledger import broker_ledger
from tests.crash.processes import ENDED, Process, assert_books_agree, topics, write_signals


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_retry_goes_on_where_a_kill_between_two_attempts_stopped_it(tmp_path):
    write_signals(tmp_path, 1)
    plan = {"script": {str(call): "not_sent" for call in range(1, 9)}}
    with Process(tmp_path, plan) as first:
        first.until(lambda words: sum(word.get("used_attempt", False) for word in words) == 2)

    with Process(tmp_path, plan) as second:
        second.until(lambda words: "order.failed" in topics(words))
        second.stop()

    with open_reader(tmp_path / "oncefill.db") as reader:
        events = [record.event for record in reader.records(after=0, limit=1000)]
        assert verify(reader).ok
    failed = [event for event in events if getattr(event, "is_counted", False)]
    assert [event.attempt for event in failed] == [1, 2, 3, 4]
    assert [event.retry_in_s for event in failed] == [1.0, 2.0, 4.0, None]
    for ended, wait_s in zip(failed, (1, 2, 4), strict=False):
        begun = next(
            event.since
            for event in events
            if type(event).__name__ == "SubmitStarted" and event.attempt == ended.attempt + 1
        )
        assert (begun - ended.at).total_seconds() >= wait_s
    assert broker_ledger(tmp_path).orders == ()


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", [1, 2])
def test_kills_at_random_moments_double_and_lose_nothing(tmp_path, seed):
    dice = random.Random(seed)
    write_signals(tmp_path, 24)
    rates = {"answer_lost_after_booking": 0.1, "answer_lost_before_booking": 0.05, "not_sent": 0.1}
    acknowledged = set()
    for life in range(5):
        enough = dice.randint(1, 40)
        with Process(tmp_path, {"rates": rates, "seed": seed * 100 + life}) as engine:
            engine.until(lambda words, enough=enough: len(words) >= enough)
        acknowledged |= {word["acknowledged"] for word in engine.words if "acknowledged" in word}
    with Process(tmp_path, {}) as last:
        last.until(lambda words: sum(topic in ENDED for topic in topics(words)) >= 24, 60)
        last.stop()

    assert_books_agree(tmp_path, acknowledged)
