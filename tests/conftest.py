"""What holds for every test: only this machine is reachable, and no secret is ever printed."""

import base64
import ipaddress
import os
import secrets
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings

from infra.log import close_log, configure_log, register_secret
from tests.servers import NO_SERVER, running_server

CANARY = secrets.token_hex(32)
CANARY_FORMS = (
    CANARY,
    CANARY.encode().hex(),
    base64.b64encode(CANARY.encode()).decode().rstrip("="),
)

_MISSING = pytest.StashKey[str]()

settings.register_profile("house", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "house")


def _refuse(what):
    message = f"tests reach only this machine, not {what!r}"
    raise RuntimeError(message)


def _is_numeric(host):
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _check_address(sock, address):
    if sock.family == socket.AF_UNIX:
        return
    host = address[0]
    is_loopback = _is_numeric(host) and ipaddress.ip_address(host.partition("%")[0]).is_loopback
    if host not in ("", "localhost") and not is_loopback:
        _refuse(host)


def _check_name(host):
    name = host.decode() if isinstance(host, bytes) else host
    if name not in (None, "", "localhost", socket.gethostname()) and not _is_numeric(name):
        _refuse(name)


def _guarded_method(method, position):
    def call(sock, *args):
        _check_address(sock, args[position])
        return method(sock, *args)

    return call


def _guarded_lookup(lookup):
    def call(host, *args, **options):
        _check_name(host)
        return lookup(host, *args, **options)

    return call


@pytest.fixture(autouse=True, scope="session")
def _only_this_machine():
    with pytest.MonkeyPatch.context() as patch:
        for name, position in {"connect": 0, "connect_ex": 0, "sendto": -1}.items():
            method = getattr(socket.socket, name)
            patch.setattr(socket.socket, name, _guarded_method(method, position))
        for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
            patch.setattr(socket, name, _guarded_lookup(getattr(socket, name)))
        yield


@pytest.fixture(autouse=True, scope="session")
def _canary_file(tmp_path_factory):
    """Plant the canary where a careless program would find it; return the log of the session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONCEFILL_TEST_CANARY", CANARY)
        register_secret(CANARY)
        yield tmp_path_factory.mktemp("log") / "tests.jsonl"


@pytest.fixture(scope="session")
def postgres(request):
    """A PostgreSQL server of this session's own; without one the summary says so, loudly."""
    with ExitStack() as stack:
        try:
            # Not below pytest's own folder: for root the server is another user's, and each new
            # session of pytest shuts that folder to others again.
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="oncefill-")))
            server = stack.enter_context(running_server(folder))
        except (ImportError, OSError, RuntimeError, subprocess.SubprocessError) as error:
            reason = request.config.stash[_MISSING] = f"{type(error).__name__}: {error}"
            pytest.skip(f"{NO_SERVER}: {reason}")
        yield server


def pytest_terminal_summary(terminalreporter, config):
    if reason := config.stash.get(_MISSING, ""):
        terminalreporter.section(f"{NO_SERVER}: NOTHING OF IT WAS TESTED", sep="!", red=True)
        terminalreporter.line(f"Install the packages of the group dev, or see why: {reason}")


@pytest.fixture(autouse=True)
def _log_without_canary(_canary_file: Path):
    """Log everything to a file, and look through what the test wrote there."""
    configure_log(level="debug", console=False, file=_canary_file)
    before = _canary_file.stat().st_size
    yield
    close_log()
    with _canary_file.open(errors="replace") as log:
        log.seek(before)
        written = log.read()
    assert not holds_canary(written), "the canary secret was logged"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Fail a test that printed the canary."""
    report = yield
    if any(holds_canary(text) for _title, text in report.sections):
        report.outcome = "failed"
        report.sections = []
        report.longrepr = f"{item.nodeid}: the canary secret was printed"
    return report


def holds_canary(text):
    return any(form in text for form in CANARY_FORMS)
