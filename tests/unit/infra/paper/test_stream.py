"""The paper broker's stream: hints that may come late, never, or to nobody."""

import pytest

from domain.broker import FillNews, OrderNews, StreamGap
from tests.contract.gateways import a_paper_world


@pytest.fixture
def paper(tmp_path):
    return lambda **options: a_paper_world(tmp_path, **options)


def test_a_message_held_back_with_none_behind_it_arrives_in_the_end(paper):
    world = paper(faults={("stream", 2): "reordered"})

    world.place()
    world.settle()

    assert [type(each) for each in world.news] == [OrderNews, FillNews]


def test_an_interrupted_stream_says_so(paper):
    world = paper()

    world.gateway.stream.interrupt("Maintenance.")
    world.settle()

    assert world.news == [StreamGap(reason="Maintenance.")]


def test_messages_of_one_stream_never_overtake_each_other_without_a_fault(paper):
    world = paper(latency_s=(0.0, 3.0), rate_limit=1_000)

    for number in range(20):
        world.place(str(number))
    world.settle()

    told = [type(each) for each in world.news]
    assert told == [OrderNews, FillNews] * 20


def test_a_new_subscriber_takes_the_place_of_the_one_before(paper):
    world, second = paper(), []
    world.place("one")
    world.gateway.subscribe(second.append)
    world.settle()

    assert world.news == []
    assert len(second) == 2


def test_what_is_under_way_when_the_gateway_closes_reaches_nobody(paper):
    world = paper()
    world.place()
    world.gateway.close()

    world.settle()

    assert world.news == []


def test_without_a_subscriber_nothing_is_told(paper):
    world = paper()
    world.gateway.stream.subscribe(None)

    world.place()
    world.settle()

    assert world.news == []
    assert world.order().cum_qty == 10
