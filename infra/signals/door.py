"""A local socket in front of an engine: a thread for each client, and only so many clients.

What a client has sent by then is put to the engine at once and answered in order; an answer means
that it is durable. A line without its end was not said. Nothing here is ever waited for by the
engine.
"""

import errno
import json
import socket
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic
from typing import Final

import structlog

from infra.signals.address import address
from infra.signals.desk import Answer, Desk

log = structlog.get_logger()

MOST_CLIENTS: Final = 32
LONGEST_LINE: Final = 64 * 1024
LINE_S: Final = 10.0  # From the first byte of a line to its end.
IDLE_S: Final = 300.0
SEND_S: Final = 10.0
_BACKLOG: Final = 64
_PAUSE_S: Final = 0.1
_JOIN_S: Final = 2.0


class Door:
    """The socket at ``path``, for its owner only. Open it once; ``shut``, then ``close``."""

    def __init__(self, path: Path, desk: Desk, *, line_s: float = LINE_S) -> None:
        self._path = path
        self._desk = desk
        self._line_s = line_s
        self._socket = socket.socket(socket.AF_UNIX)
        self._clients: dict[socket.socket, Thread] = {}
        self._lock = Lock()
        self._is_shut = Event()
        self._acceptor = Thread(target=self._accept, name="door", daemon=True)

    def open(self) -> None:
        """Listen. A socket of an earlier life is taken away: the store's lock is ours.

        Raises:
            OSError: It cannot be made.
        """
        self._path.unlink(missing_ok=True)
        # Nobody else can use it before it is made private: nobody listens yet.
        with address(self._path) as name:
            self._socket.bind(name)
        self._path.chmod(0o600)
        self._socket.listen(_BACKLOG)
        self._acceptor.start()

    def shut(self) -> None:
        """Let nobody else in; who is in gets answers."""
        self._is_shut.set()
        with suppress(OSError):
            # Closing alone does not wake up who waits in accept().
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Answer what was asked, and see the clients out."""
        with self._lock:
            clients = dict(self._clients)
        for client in clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RD)
        until_s = monotonic() + _JOIN_S
        for thread in clients.values():
            thread.join(max(0.0, until_s - monotonic()))

    def _accept(self) -> None:
        while not self._is_shut.is_set():
            try:
                client, _ = self._socket.accept()
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                    self._is_shut.wait(_PAUSE_S)
                    continue
                if self._is_shut.is_set():
                    return
                log.warning("door.accept_failed", error=error.strerror)
                self._is_shut.wait(_PAUSE_S)
                continue
            self._admit(client)

    def _admit(self, client: socket.socket) -> None:
        with self._lock:
            is_full = len(self._clients) >= MOST_CLIENTS
            if not is_full:
                thread = Thread(target=self._serve, args=(client,), name="client", daemon=True)
                self._clients[client] = thread
                thread.start()
        if is_full:
            client.settimeout(_PAUSE_S)
            with suppress(OSError):
                _say(client, _error("busy", f"{MOST_CLIENTS} clients are in; come again later"))
            client.close()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client:
                self._converse(client)
        except OSError:
            # It went away, or does not listen: what it said stands all the same.
            pass
        finally:
            with self._lock:
                del self._clients[client]

    def _converse(self, client: socket.socket) -> None:
        rest, began_s = b"", 0.0
        while True:
            client.settimeout(max(0.001, began_s + self._line_s - monotonic()) if rest else IDLE_S)
            try:
                chunk = client.recv(LONGEST_LINE)
            except TimeoutError:
                if rest:
                    client.settimeout(SEND_S)
                    _say(client, _error("invalid", f"the line did not end in {self._line_s:.0f} s"))
                return
            if not chunk:
                return
            began_s = began_s if rest else monotonic()
            *lines, left = (rest + chunk).split(b"\n")
            if lines:
                began_s = monotonic()
            rest = left
            client.settimeout(SEND_S)
            # All is put before the first answer is waited for: they share a commit.
            for waiting in [self._desk.begin(line) for line in lines if line.strip()]:
                _say(client, waiting())
            if len(rest) > LONGEST_LINE:
                _say(client, _error("invalid", f"a line has at most {LONGEST_LINE} bytes"))
                return


def _say(client: socket.socket, answer: Answer) -> None:
    client.sendall(json.dumps(answer, default=str).encode() + b"\n")


def _error(code: str, problem: str) -> Answer:
    return {"error": {"code": code, "field": "line", "problem": problem}}


def private_folder(folder: Path) -> str | None:
    """Return what is wrong with the folder of a socket, if anything is."""
    mode = folder.stat().st_mode & 0o777
    return f"{folder} is open to others ({mode:04o}); chmod 700 it" if mode & 0o077 else None
