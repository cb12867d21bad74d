"""What reaches a terminal and a file, and what must not."""

import base64
import io
import json
import logging
import threading
from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import quote

import pytest
import structlog

from domain.errors import InvalidInputError, OncefillError
from infra.log import close_log, configure_log, redact, register_secret

SAMPLE = 'p&ss "wörd"/+key\\9f3a7c51d2e84b60'


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def file(tmp_path):
    return tmp_path / "logs" / "oncefill.jsonl"


@pytest.fixture
def log(file):
    """Return a logger that writes to ``file``."""
    configure_log(level="debug", console=False, file=file)
    return structlog.get_logger()


def lines(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def console(**options):
    stream = io.StringIO()
    configure_log(level="debug", stream=stream, **options)
    return structlog.get_logger(), stream


def fail_with(text):
    hidden_local = text[::-1]  # A local variable, which no traceback may show.
    raise ValueError(text[len(hidden_local) :] or 3)


def test_an_event_is_one_json_line_with_a_utc_time_in_milliseconds(log, file):
    log.info("order.filled", account_id="paper", avg_px=Decimal("70000.5"), cum_qty=100)

    (line,) = lines(file)
    at = line.pop("timestamp")
    assert len(at) == len("2026-01-02T03:04:05.678Z")
    assert datetime.fromisoformat(at).utcoffset() == timedelta(0)
    assert line == {
        "account_id": "paper",
        "avg_px": "70000.5",
        "cum_qty": 100,
        "event": "order.filled",
        "level": "info",
    }


def test_the_file_is_its_owners_alone_and_is_appended_to(log, file):
    file.chmod(0o644)
    log.info("first")
    configure_log(console=False, file=file)
    structlog.get_logger().info("second")

    assert [line["event"] for line in lines(file)] == ["first", "second"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")

    for path in (tmp_path, tmp_path / "link"):
        with pytest.raises(OncefillError, match=f"cannot write the log {path}"):
            configure_log(file=path)


def test_an_unknown_level_is_refused():
    with pytest.raises(InvalidInputError, match="level: is not one of debug, info"):
        configure_log(level="loud")


def test_what_is_below_the_level_is_not_logged(file):
    configure_log(level="warning", console=False, file=file)

    structlog.get_logger().info("order.filled")
    logging.getLogger("library").info("hello")
    structlog.get_logger().warning("order.in_doubt")

    assert [line["event"] for line in lines(file)] == ["order.in_doubt"]


def test_a_bound_logger_writes_to_wherever_the_log_goes_by_then(log, file):
    bound = log.bind(client_order_id="A")
    close_log()
    bound.info("nowhere")
    configure_log(level="debug", console=False, file=file)
    bound.info("here")

    assert [(line["event"], line["client_order_id"]) for line in lines(file)] == [("here", "A")]


@pytest.mark.parametrize(
    "form",
    [
        SAMPLE,
        SAMPLE[:16],
        SAMPLE[-16:],
        SAMPLE.encode().hex(),
        SAMPLE.encode().hex().upper(),
        base64.b64encode(SAMPLE.encode()).decode(),
        base64.urlsafe_b64encode(SAMPLE.encode()).decode(),
        quote(SAMPLE),
        quote(SAMPLE, safe=""),
        repr(SAMPLE),
        json.dumps(SAMPLE),
    ],
)
def test_a_secret_is_hidden_in_every_form_and_place(log, file, form):
    register_secret(SAMPLE)
    told = f"told {form}"

    log.info(told, key=form, nested=[{form: (form, form.encode())}], text=f"<{form}>")
    logging.getLogger("library").warning("sent %s", form)

    text = file.read_text()
    assert json.dumps(form)[1:-1] not in text
    assert form not in text
    assert SAMPLE[-16:] not in text
    assert text.count("***") >= 7


@pytest.mark.parametrize("user", ["u:", "us:", "use:"])
def test_a_secret_is_hidden_inside_longer_base64(log, file, user):
    register_secret(SAMPLE)
    header = base64.b64encode(f"{user}{SAMPLE}!".encode()).decode()

    log.info("sent", header=header)

    shown = lines(file)[0]["header"]
    assert "***" in shown
    assert len(shown) < 16


def test_a_secret_in_the_text_of_an_exception_is_hidden(log, file):
    register_secret(SAMPLE)

    try:
        int(SAMPLE)
    except ValueError:
        log.exception("call.failed")

    (line,) = lines(file)
    assert line["exception"].endswith("invalid literal for int() with base 10: '***'")


def test_tracebacks_hold_no_local_variables(log, file):
    try:
        fail_with("value of a local")
    except ValueError:
        log.exception("call.failed")
        logging.getLogger("library").exception("broken")

    assert file.read_text().count("in fail_with") == 2
    assert "value of a local"[::-1] not in file.read_text()


def test_a_secret_too_short_to_be_told_from_text_is_refused():
    with pytest.raises(InvalidInputError, match="secret: is shorter than 6"):
        register_secret("12345")


def test_text_without_secrets_stays_as_it_is():
    assert redact("order.filled 005930") == "order.filled 005930"


def test_pykka_logs_crashes_but_never_messages(log, file):
    assert log
    logging.getLogger("pykka").warning("Unexpected message received by x: %s", "a message")
    logging.getLogger("pykka").error("Unhandled exception in x")

    assert [(line["logger"], line["event"]) for line in lines(file)] == [
        ("pykka", "Unhandled exception in x")
    ]


def test_logging_is_left_as_it_was():
    close_log()
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("pykka").level)

    configure_log(console=False)
    close_log()

    assert (root.level, list(root.handlers), logging.getLogger("pykka").level) == before


def test_a_console_line_is_short_and_plain():
    log, stream = console()

    log.info("order.filled", symbol="005930", reason="part of it", cum_qty=100, note="")

    _at, rest = stream.getvalue().split(" ", 1)
    assert rest == 'info    order.filled symbol=005930 reason="part of it" cum_qty=100 note=""\n'


def test_broker_text_cannot_forge_a_line_or_steer_the_terminal():
    log, stream = console()

    log.info("a\nb", reason="no\n2026 info order.filled \x1b[2J", other="x\u2028y")

    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()
    assert "\u2028" not in stream.getvalue()


@pytest.mark.parametrize(("has_file", "shown"), [(True, 1), (False, 5)])
def test_a_traceback_is_on_the_console_only_without_a_file(tmp_path, has_file, shown):
    log, stream = console(file=tmp_path / "log" if has_file else None)

    try:
        fail_with("x")
    except ValueError:
        log.exception("call.failed")

    assert 'error="ValueError: 3"' in stream.getvalue()
    assert (len(stream.getvalue().splitlines()) > 1) == (shown > 1)


def test_a_terminal_shows_warnings_in_colour():
    stream = Terminal()
    configure_log(stream=stream)

    structlog.get_logger().info("calm")
    structlog.get_logger().error("order.failed")

    calm, failed = stream.getvalue().splitlines()
    assert "\x1b" not in calm
    assert failed.startswith("\x1b[31m")


def test_every_value_becomes_something_json_knows(log, file):
    log.info(
        "odd",
        none=None,
        flag=True,
        ratio=0.5,
        huge=2**70,
        broken="\ud800",
        many={1},
        raw=b"\xff",
        table={1: Decimal(2)},
    )

    (line,) = lines(file)
    assert (line["none"], line["flag"], line["ratio"]) == (None, True, 0.5)
    assert (line["huge"], line["broken"]) == (str(2**70), "\\ud800")
    assert (line["many"], line["raw"], line["table"]) == ([1], "\\xff", {"1": "2"})


def test_a_closed_terminal_stops_nobody(file):
    stream = io.StringIO()
    configure_log(stream=stream, file=file)
    stream.close()

    structlog.get_logger().info("order.filled")

    assert [line["event"] for line in lines(file)] == ["order.filled"]


def test_lines_of_many_threads_do_not_mix(log, file):
    def write():
        for number in range(50):
            log.info("event", number=number, text="x" * 200)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(lines(file)) == 200
