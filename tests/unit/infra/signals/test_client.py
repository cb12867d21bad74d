"""The other side of the door, against doors that behave badly."""

import json
import socket
from contextlib import closing
from threading import Thread

import pytest

from infra.signals.address import address, socket_path
from infra.signals.client import NoAnswerError, ask_door

BUSY = {"error": {"code": "busy", "field": "", "problem": "come back later"}}


def answering(store, answer):
    """Open a door that answers before it has read anything, and closes."""
    door = socket.socket(socket.AF_UNIX)
    with address(socket_path(store)) as name:
        door.bind(name)
    door.listen()

    def serve():
        client, _ = door.accept()
        with closing(client):
            client.sendall(answer)
            client.shutdown(socket.SHUT_RDWR)

    thread = Thread(target=serve)
    thread.start()
    return door, thread


@pytest.mark.parametrize("size", [1, 10_000_000])
def test_what_a_full_door_says_is_heard_though_it_read_nothing(tmp_path, size):
    store = tmp_path / "oncefill.db"
    door, thread = answering(store, json.dumps(BUSY).encode() + b"\n")

    with closing(door):
        assert ask_door(store, {"status": {"padding": "x" * size}}, patience_s=5) == BUSY
        thread.join()


def test_half_an_answer_is_none(tmp_path):
    store = tmp_path / "oncefill.db"
    door, thread = answering(store, b'{"receipt"')

    with closing(door), pytest.raises(NoAnswerError, match="not there"):
        ask_door(store, {"status": {}}, patience_s=5)
    thread.join()
