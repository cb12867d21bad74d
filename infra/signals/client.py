"""The other side of the door: one question to the engine on a store, one answer."""

import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from struct import unpack
from typing import Any, Final

from domain.errors import OncefillError
from infra.signals.address import address, socket_path
from infra.store.places import Place

PATIENCE_S: Final = 15.0  # The door gives up on its engine before that.
_LARGEST: Final = 2**26


class NoAnswerError(OncefillError):
    """No engine answers on this store. If the question was a signal, it may have been taken."""


def ask_door(
    store: Place, request: Mapping[str, object], *, patience_s: float = PATIENCE_S
) -> dict[str, Any]:
    """Return the engine's answer, which may be an error of its own: see ``desk``.

    Raises:
        NoAnswerError: No engine answers there in time.
    """
    path = socket_path(store)
    try:
        with address(path) as name, socket.socket(socket.AF_UNIX) as door:
            door.settimeout(patience_s)
            door.connect(name)
            # A door that is full says so and closes, without having read anything.
            with suppress(BrokenPipeError):
                door.sendall(json.dumps(request).encode() + b"\n")
            with door.makefile("rb") as answers:
                line = answers.readline(_LARGEST)
        if not line.endswith(b"\n"):
            raise ConnectionResetError
        answer: dict[str, Any] = json.loads(line)
    except (OSError, ValueError) as error:
        why = "hung" if isinstance(error, TimeoutError | BlockingIOError) else "not there"
        msg = f"No engine answers at {path}: it is {why}. Start one with: serve --store STORE."
        raise NoAnswerError(msg) from error
    return answer


def listener(store: Place) -> int | None:
    """Return the process that listens at a store's door; None: nobody, or that is not told."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    try:
        with address(socket_path(store)) as name, socket.socket(socket.AF_UNIX) as door:
            door.settimeout(PATIENCE_S)
            door.connect(name)
            (pid, _, _) = unpack("3i", door.getsockopt(socket.SOL_SOCKET, option, 12))
    except OSError:
        return None
    return int(pid)
