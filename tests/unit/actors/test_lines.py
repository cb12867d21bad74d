"""Who waits in front of the broker, and who is next."""

from datetime import UTC, datetime

from actors.lines import LOOKUPS_IN_A_ROW, POLL_PATIENCE_S, Lines, Waiting
from actors.messages import Line, ListFills, ListOrders, LookUp, Place

SINCE = datetime(2026, 3, 2, tzinfo=UTC)


def new(serial, send_by_s=10.0, since_s=0.0):
    return Waiting(Line.NEW, object(), Place(None, 1, send_by_s), since_s, serial)


def other(line, since_s=0.0, call=None, asker=None):
    return Waiting(line, asker or object(), call or LookUp("c"), since_s)


def a_line(*waiting):
    lines = Lines()
    for one in waiting:
        lines.put(one)
    return lines


def drain(lines):
    taken = []
    while (one := lines.first(is_poll=lines.is_poll_due(0.0))) is not None:
        taken.append(one)
    return taken


def test_the_most_urgent_line_goes_first():
    poll, order = other(Line.POLL), new(1)
    look, cancel = other(Line.LOOK_UP), other(Line.CANCEL)

    assert drain(a_line(poll, order, look, cancel)) == [cancel, look, order, poll]


def test_within_a_line_the_first_to_come_is_the_first_served():
    first, second = other(Line.CANCEL), other(Line.CANCEL)

    assert drain(a_line(first, second)) == [first, second]


def test_new_orders_go_in_the_order_of_their_turns():
    one, two, three = new(1), new(2), new(3)

    assert drain(a_line(three, one, two)) == [one, two, three]


def test_who_asks_the_same_again_keeps_the_place_with_the_latest_question():
    asker, rival = object(), other(Line.POLL)
    early = other(Line.POLL, call=ListOrders(SINCE), asker=asker)
    again = other(Line.POLL, call=ListOrders(SINCE), asker=asker)

    assert drain(a_line(early, rival, again)) == [again, rival]


def test_another_question_of_the_same_asker_stands_behind():
    asker = object()
    orders = other(Line.POLL, call=ListOrders(SINCE), asker=asker)
    fills = other(Line.POLL, call=ListFills(SINCE), asker=asker)

    assert drain(a_line(orders, fills)) == [orders, fills]


def test_who_is_put_back_is_next_again():
    first, second = other(Line.LOOK_UP), other(Line.LOOK_UP)
    lines = a_line(first, second)

    lines.put_back(lines.first(is_poll=False))

    assert drain(lines) == [first, second]


def test_polling_waits_behind_new_orders_only_as_long_as_its_patience():
    lines = a_line(other(Line.POLL, since_s=5.0), new(1))

    assert not lines.is_poll_due(5.0 + POLL_PATIENCE_S)
    assert lines.is_poll_due(5.1 + POLL_PATIENCE_S)


def test_polling_never_overtakes_a_cancel():
    assert not a_line(other(Line.POLL), other(Line.CANCEL)).is_poll_due(1e6)
    assert not a_line(new(1)).is_poll_due(1e6)
    assert a_line(other(Line.POLL)).is_poll_due(0.0)


def test_polling_overtakes_lookups_only_when_it_has_waited_for_long():
    lines = a_line(other(Line.POLL), other(Line.LOOK_UP))

    assert not lines.is_poll_due(POLL_PATIENCE_S)
    assert lines.is_poll_due(POLL_PATIENCE_S + 0.1)


def test_after_some_lookups_in_a_row_a_new_order_is_next():
    lines = a_line(*(other(Line.LOOK_UP) for _ in range(9)), new(1), new(2))

    taken = [lines.first(is_poll=False).line for _ in range(11)]

    looks = [Line.LOOK_UP] * LOOKUPS_IN_A_ROW
    assert taken == [*looks, Line.NEW, *looks, Line.NEW, *looks]


def test_nobody_is_next_of_an_empty_house():
    lines = Lines()

    assert not lines
    assert lines.first(is_poll=False) is None
    assert a_line(new(1))


def test_orders_whose_time_has_passed_are_taken_out():
    late, soon = new(1, send_by_s=3.0), new(2, send_by_s=4.0)
    lines = a_line(late, soon)

    assert list(lines.drop_late(3.0)) == [late]
    assert lines.serials() == {2}


def test_the_next_turn_is_known_only_when_a_new_order_is_next():
    assert a_line(new(4), new(3)).next_turn() == 3
    assert a_line(new(4), other(Line.CANCEL)).next_turn() is None
    assert Lines().next_turn() is None
