"""The door of a real engine: what is said, what is answered, and who is let in."""

import json
import socket
import stat
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from threading import Event

import pytest

from domain.halt import ACCOUNT
from infra.signals import door as door_module
from infra.signals.address import address, socket_path
from infra.signals.client import NoAnswerError, ask_door
from infra.signals.desk import Desk
from infra.signals.door import Door, private_folder
from infra.store.halts import lift_halt, set_halt
from infra.store.reading import open_reader
from tests.desks import LiveDesk, buy
from tests.doors import a_door
from tests.unit.actors.rigs import a_request
from tests.unit.domain.test_halt import halted, resumed

SIGNAL = {"signal_id": "m-1", "symbol": "005930", "side": "BUY", "order_qty": "10"}

pytestmark = pytest.mark.live


@pytest.fixture
def desk(tmp_path):
    made = LiveDesk(tmp_path).start()
    yield made
    made.stop()


@pytest.fixture
def served(desk):
    with a_door(desk) as made:
        yield made


def connect(served):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    with address(socket_path(served.store)) as name:
        client.connect(name)
    return client


def say(served, raw, answers=1):
    """Send bytes, and return that many answers."""
    with connect(served) as client, client.makefile("rb") as lines:
        client.sendall(raw)
        return [json.loads(lines.readline()) for _ in range(answers)]


def ask(served, **request):
    return ask_door(served.store, request, patience_s=10)


def test_a_signal_told_twice_has_the_same_answer(served, desk):
    first, again = (ask(served, signal=SIGNAL) for _ in range(2))

    assert (first["halt"], first["receipt"]["is_duplicate"]) == (None, False)
    assert again["receipt"] == first["receipt"] | {"is_duplicate": True}
    desk.until_rest("m-1")
    assert len(desk.ledger().orders) == 1


def test_what_has_its_answer_is_durable(served, desk):
    desk.engine.unsubscribe("desk")
    receipt = ask(served, signal=SIGNAL)["receipt"]

    assert receipt["client_order_id"] in {order.client_order_id for order in in_store(desk)}


def in_store(desk):
    with open_reader(desk.path) as reader:
        return reader.orders()


def test_many_lines_at_once_are_answered_in_order(served):
    lines = [json.dumps({"signal": SIGNAL | {"signal_id": f"m-{n}"}}) for n in range(50)]

    answers = say(served, ("\n".join(lines) + "\n").encode(), answers=50)

    assert [answer["receipt"]["signal_id"] for answer in answers] == [f"m-{n}" for n in range(50)]


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (b"garbage", "line"),
        (b"\xff\xfe\x00", "line"),
        (b"[" * 50_000, "line"),
        (b"5", "line"),
        (b"{}", "line"),
        (b'{"signal": {}, "cancel": {}}', "line"),
        (b'{"signl": {}}', "line"),
        (b'{"signal": 5}', "signal"),
        (b'{"signal": {"signal_id": NaN}}', "line"),
        (b'{"signal": {"signal_id": ' + b"9" * 5000 + b"}}", "line"),
        (b'{"signal": {}}', "signal_id"),
        (json.dumps({"signal": SIGNAL | {"signal_id": 5}}).encode(), "signal_id"),
        (json.dumps({"signal": SIGNAL | {"symbol": ["005930"]}}).encode(), "symbol"),
        (json.dumps({"signal": SIGNAL | {"order_qty": 0.1}}).encode(), "order_qty"),
        (json.dumps({"signal": SIGNAL | {"order_qty": "-1"}}).encode(), "order_qty"),
        (json.dumps({"signal": SIGNAL | {"order_qty": {"a": 1}}}).encode(), "order_qty"),
        (json.dumps({"signal": SIGNAL | {"side": "buy"}}).encode(), "side"),
        (json.dumps({"signal": SIGNAL | {"account_id": "other"}}).encode(), "account_id"),
        (json.dumps({"signal": SIGNAL | {"price": 5}}).encode(), "price"),
        (b'{"cancel": {"signal_id": "nobody"}}', "signal_id"),
        (b'{"cancel": {"signal_id": null}}', "signal_id"),
        (b'{"cancel_open": {"scope": "all", "reason": "x"}}', "scope"),
        (b'{"cancel_open": {"scope": "account"}}', "reason"),
    ],
)
def test_bad_input_is_named_and_the_next_line_is_taken(served, line, field):
    good = json.dumps({"signal": SIGNAL}).encode()

    bad, taken = say(served, line + b"\n" + good + b"\n", answers=2)

    assert (bad["error"]["code"], bad["error"]["field"]) == ("invalid", field)
    assert bad["error"]["problem"]
    assert taken["receipt"]["signal_id"] == "m-1"


def test_another_order_under_the_same_id_is_a_conflict(served):
    ask(served, signal=SIGNAL)

    answer = ask(served, signal=SIGNAL | {"order_qty": "11"})

    assert (answer["error"]["code"], answer["error"]["field"]) == ("conflict", "signal_id")


def test_a_line_that_never_ends_is_refused_and_its_client_seen_out(served):
    with connect(served) as client, client.makefile("rb") as lines:
        client.sendall(b"x" * (3 * 64 * 1024))
        assert "at most" in json.loads(lines.readline())["error"]["problem"]
    with connect(served) as client, client.makefile("rb") as lines:
        client.sendall(b'{"signal"')
        assert "did not end" in json.loads(lines.readline())["error"]["problem"]
        assert lines.readline() == b""


def test_half_a_line_was_not_said(served, desk):
    with connect(served) as client:
        client.sendall(json.dumps({"signal": SIGNAL}).encode())

    assert ask(served, cancel={"signal_id": "m-1"})["error"]["field"] == "signal_id"
    assert desk.ledger().orders == ()


def test_a_client_that_does_not_wait_for_its_answer_has_its_order(served, desk):
    with connect(served) as client:
        client.sendall(json.dumps({"signal": SIGNAL}).encode() + b"\n")

    desk.until_rest("m-1")


def test_only_so_many_clients_are_let_in(served, monkeypatch):
    monkeypatch.setattr(door_module, "MOST_CLIENTS", 2)
    with ExitStack() as stack:
        for _ in range(2):
            client = stack.enter_context(connect(served))
            client.sendall(b'{"status": {}}\n')
            assert client.recv(10)
        assert ask(served, status={})["error"]["code"] == "busy"
    for _ in range(100):
        if "status" in ask(served, status={}):
            return
        Event().wait(0.02)
    pytest.fail("nobody was let in after the others had left")


def test_the_status_says_what_state_the_engine_is_in(served, desk):
    assert ask(served, status={})["status"]["state"] == "starting"
    served.ready.set()
    ask(served, signal=SIGNAL | {"order_type": "LIMIT", "limit_px": "60000"})

    status = ask(served, status={})["status"]

    assert (status["state"], status["account_id"], status["halts"]) == ("ready", "paper", [])
    assert sum(status["open_orders"].values()) == 1
    served.stopping.set()
    assert ask(served, status={})["status"]["state"] == "stopping"
    desk.engine.failed.set()
    assert ask(served, status={})["status"]["state"] == "failed"
    desk.engine.failed.clear()


def test_a_signal_taken_in_a_halt_says_so(served, desk):
    set_halt(desk.path, halted(), clock=desk.clock)

    answer = ask(served, signal=SIGNAL)

    assert "account is halted" in answer["halt"]
    assert answer["receipt"]["is_duplicate"] is False
    lift_halt(desk.path, resumed(), clock=desk.clock)
    desk.until_rest("m-1")


def test_the_open_orders_of_a_scope_are_cancelled(served, desk):
    for name, symbol in (("m-1", "005930"), ("m-2", "000660")):
        limit = {"signal_id": name, "symbol": symbol, "order_type": "LIMIT", "limit_px": "60000"}
        desk.quote(70_000, symbol=symbol)
        ask(served, signal=SIGNAL | limit)

    answer = ask(served, cancel_open={"scope": "symbol:005930", "reason": "a test"})

    assert answer == {"cancelled": ["m-1"]}
    desk.until_status("CANCELLED", signal_id="m-1")
    assert desk.status("m-2") != "CANCELLED"
    assert ask(served, cancel_open={"scope": str(ACCOUNT), "reason": "all"})["cancelled"] == ["m-2"]


def test_positions_are_compared_with_the_brokers(served, desk):
    ask(served, signal=SIGNAL)
    desk.until_rest("m-1")
    assert ask(served, reconcile={}) == {"differs": []}

    request = replace(a_request(buy()), client_order_id="stranger")
    desk.gateway.place_order(desk.settings.account_id, request)

    (differs,) = ask(served, reconcile={})["differs"]
    assert (differs["symbol"], differs["ours"]) == ("005930", SIGNAL["order_qty"])
    assert Decimal(differs["theirs"]) == Decimal(differs["ours"]) + 100


def test_an_engine_that_has_stopped_says_so(served, desk):
    desk.engine.stop()

    assert ask(served, signal=SIGNAL)["error"]["code"] == "stopped"


def test_the_socket_is_private_and_so_must_be_its_folder(served, tmp_path):
    assert stat.S_IMODE(socket_path(served.store).stat().st_mode) == 0o600
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "private").mkdir(mode=0o700)

    assert "chmod 700" in private_folder(tmp_path / "open")
    assert private_folder(tmp_path / "private") is None


def test_a_socket_left_behind_is_no_engine_and_in_nobodys_way(tmp_path, desk):
    path = tmp_path / ("long" * 40) / "oncefill.sock"
    path.parent.mkdir()
    with address(path) as name, socket.socket(socket.AF_UNIX) as left:
        left.bind(name)
    with pytest.raises(NoAnswerError, match="not there"):
        ask_door(path.with_name("oncefill.db"), {"status": {}})

    door = Door(path, Desk(None))
    door.open()

    assert ask_door(path.with_name("oncefill.db"), {"x": {}})["error"]["field"] == "line"
    door.shut()
    door.close()


def test_a_door_that_nobody_answers_is_given_up(tmp_path):
    path = socket_path(tmp_path / "oncefill.db")
    with address(path) as name, socket.socket(socket.AF_UNIX) as hung:
        hung.bind(name)
        hung.listen(1)
        with pytest.raises(NoAnswerError, match="hung"):
            ask_door(tmp_path / "oncefill.db", {"status": {}}, patience_s=0.1)
