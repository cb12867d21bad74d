"""The guards of tests/conftest.py do guard."""

import shutil
import socket
import subprocess
import sys

import pytest

from tests.conftest import CANARY, CANARY_FORMS, holds_canary
from tests.house.files import ROOT

# Reserved for documentation (RFC 5737): nobody answers there.
OUTSIDE = ("192.0.2.1", 9)


@pytest.fixture
def outcome_of(tmp_path):
    """Return a function that runs one test under the project's conftest and tells what came out."""

    def run(source):
        shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
        (tmp_path / "test_it.py").write_text(source)
        options = ["-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", *options, f"--rootdir={tmp_path}", str(tmp_path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        return ended.stdout

    return run


@pytest.mark.parametrize("name", ["connect", "connect_ex"])
def test_an_address_outside_this_machine_is_refused(name):
    with socket.socket() as sock, pytest.raises(RuntimeError, match="only this machine"):
        getattr(sock, name)(OUTSIDE)


def test_a_datagram_to_the_outside_is_refused():
    with (
        socket.socket(type=socket.SOCK_DGRAM) as sock,
        pytest.raises(RuntimeError, match="only this machine"),
    ):
        sock.sendto(b"", OUTSIDE)


def test_a_name_outside_this_machine_is_not_looked_up():
    with pytest.raises(RuntimeError, match=r"not 'broker\.example'"):
        socket.create_connection(("broker.example", 443))


def test_loopback_and_unix_sockets_work(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1])).close()
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(tmp_path / "s"))
        server.listen()
        client.connect(str(tmp_path / "s"))


def test_the_canary_is_found_in_each_of_its_forms():
    assert len(CANARY) == 64
    assert all(holds_canary(f"<{form}>") for form in CANARY_FORMS)
    assert not holds_canary("order.filled")


@pytest.mark.slow
def test_a_test_that_prints_the_canary_fails(outcome_of):
    outcome = outcome_of("import os\ndef test_it():\n    print(os.environ)\n")

    assert "the canary secret was printed" in outcome
    assert CANARY not in outcome
    assert "1 failed" in outcome


@pytest.mark.slow
def test_a_test_that_logs_the_canary_writes_stars(outcome_of):
    outcome = outcome_of(
        "import os, structlog\n"
        "def test_it():\n"
        "    structlog.get_logger().info('told', value=os.environ['ONCEFILL_TEST_CANARY'])\n"
    )

    assert "1 passed" in outcome
