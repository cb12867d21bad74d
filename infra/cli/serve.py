"""``run.py serve``: the engine as a process of its own, with a local socket as its door."""

import json
import os
import signal
import socket
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Final, Protocol

from domain.errors import InvalidInputError, StoreError
from domain.settings import Settings
from infra.cli.render import say
from infra.cli.source import store_in
from infra.cli.takeover import take_over
from infra.clock import SystemClock
from infra.config import DOTENV, load_settings
from infra.log import close_log, configure_log
from infra.signals.address import RUNTIME, folder_of, socket_path
from infra.signals.desk import Desk, Served, ServedEngine
from infra.signals.door import Door, private_folder
from infra.store.places import Place

_FAILED: Final = 1
_RECOVERY_S: Final = 600.0
_DRAIN_S: Final = 7.0
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class EngineToServe(ServedEngine, Protocol):
    """An engine that was started, and can be stopped."""

    def stop(self, *, reason: str = "") -> tuple[str, ...]:
        """Drain, stop, and return what did not stop in time."""
        ...


class LaunchServed(Protocol):
    """Starts an engine on the broker of its settings."""

    def __call__(self, settings: Settings, *, store: Path | str, folder: Path) -> EngineToServe:
        """Open the store and start; its log and the broker's book lie in ``folder``."""
        ...


def run(args: Namespace, launch: LaunchServed) -> int:
    """Serve until a signal comes or the engine fails; the exit code is 1 when it failed.

    Raises:
        InvalidInputError: The settings or the folder are of no use.
        OncefillError: Another engine has the store, or it cannot be used.
    """
    settings, named = load_settings(args.config, os.environ, DOTENV)
    # Whoever waits for the end of the process has to wait for the rest of it as well.
    settings = replace(settings, stop_timeout_s=min(settings.stop_timeout_s, _DRAIN_S))
    os.umask(0o077)
    chosen = args.store or named
    store = store_in(chosen)
    folder = folder_of(store)
    with _woken_by_signals() as asked:
        _prepare(folder, store)
        if args.take_over:
            _take_over(args, store)
        configure_log(console=False, file=folder / "oncefill.log")
        try:
            opened = store if isinstance(store, Path) else str(chosen)
            engine = launch(settings, store=opened, folder=folder)
            return _serve(args, engine, store, asked)
        finally:
            close_log()


def _prepare(folder: Path, store: Place) -> None:
    other = "Name another store" if isinstance(store, Path) else f"Name another with {RUNTIME}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fault = private_folder(folder)
    except OSError as error:
        msg = f"The folder {folder} cannot be made: {error.strerror}. {other}."
        raise StoreError(msg) from error
    if fault:
        raise InvalidInputError("store", fault)


def _take_over(args: Namespace, store: Place) -> None:
    if ended := take_over(store):
        _tell(args, "took_over", ended)


def _serve(args: Namespace, engine: EngineToServe, store: Place, asked: "_Asked") -> int:
    served = Served(
        engine=engine,
        store=store,
        started_at=SystemClock().now(),
        ready=Event(),
        stopping=Event(),
    )
    door = Door(socket_path(store), Desk(served))
    try:
        door.open()
        Thread(target=_watch, args=(engine, asked), name="watch", daemon=True).start()
        Thread(target=_say_ready, args=(args, served), name="ready", daemon=True).start()
        why = asked.wait()
    finally:
        served.stopping.set()
        # Before the store is let go: the next engine's socket has the same name.
        door.shut()
        late = engine.stop(reason=f"asked to stop by {asked.why or 'an error'}")
        door.close()
    if engine.failed.is_set():
        _tell(args, "failed", f"The engine failed: {engine.error}", is_error=True)
    else:
        _tell(args, "stopped", f"Stopped by {why}.")
    return _FAILED if late or engine.failed.is_set() else 0


def _say_ready(args: Namespace, served: Served) -> None:
    """Wait for the end of recovery: until then nobody answers, not even to nonsense."""
    with suppress(TimeoutError):
        served.engine.ask({}).exception(_RECOVERY_S)
    if served.engine.failed.is_set() or served.stopping.is_set():
        return
    served.ready.set()
    settings = served.engine.settings
    _notify_manager()
    what = f"account {settings.account_id} on the {settings.broker} broker"
    text = f"Ready: {what}, epoch {served.engine.epoch}, pid {os.getpid()}, {served.store}"
    _tell(args, "ready", text)


def _watch(engine: EngineToServe, asked: "_Asked") -> None:
    engine.failed.wait()
    asked.wake()


def _tell(args: Namespace, event: str, text: str, *, is_error: bool = False) -> None:
    # Whoever started it may have gone, and its pipe with it; the engine goes on.
    with suppress(OSError):
        if args.json:
            print(json.dumps({"event": event, "text": text, "pid": os.getpid()}))
        elif is_error:
            print(f"oncefill: {text}", file=sys.stderr)
        else:
            say(text)
        sys.stdout.flush()


def _notify_manager(environ: Mapping[str, str] = os.environ) -> None:
    """Tell systemd, if it is the one that waits for us."""
    name = environ.get("NOTIFY_SOCKET", "")
    if name:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.sendto(b"READY=1", f"\0{name[1:]}" if name.startswith("@") else name)


class _Asked:
    """Waits for a signal by a pipe: a handler may run between any two steps of this thread."""

    def __init__(self, receiver: socket.socket, sender: socket.socket) -> None:
        self._receiver = receiver
        self._sender = sender
        self.why = ""

    def wait(self) -> str:
        """Return which signal came, empty when the engine failed."""
        number = self._receiver.recv(1)[0]
        self.why = signal.Signals(number).name if number else ""
        return self.why

    def wake(self) -> None:
        """End the wait: the engine has failed."""
        with suppress(OSError):
            self._sender.send(b"\0")


@contextmanager
def _woken_by_signals() -> Iterator[_Asked]:
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    before_fd = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    # Those told to be ignored stay so (nohup).
    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda *_: None) for number in heard}
    try:
        yield _Asked(receiver, sender)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before_fd)
        receiver.close()
        sender.close()
