"""Logging: one line per event, on a terminal and as JSON lines in a file; secrets in neither.

Configure it before the first actor starts: without it pykka prints nothing when an actor crashes.
"""

import base64
import contextlib
import json
import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote, quote_plus

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger

from domain.errors import InvalidInputError, OncefillError

_HIDDEN = "***"
_SECRET_LENGTH_MIN = 6
# The beginning and the end of a long secret are secret too.
_PART_LENGTH = 16
_INT_MAX = 2**63 - 1

# Libraries that log what they carry: messages, SQL parameters.
_QUIET = {"pykka": logging.ERROR, "sqlalchemy": logging.WARNING}
_COLOURS = {"debug": "2", "warning": "33", "error": "31", "critical": "1;31"}

Fields = Mapping[str, Any]


def configure_log(
    *, level: str = "info", console: bool = True, file: Path | None = None, stream: Any = None
) -> None:
    """Log events of ``level`` and above from now on, replacing what was configured before.

    Args:
        level: debug, info, warning, error or critical.
        console: Write readable lines to ``stream``.
        file: Append JSON lines to this file, readable by its owner only.
        stream: The terminal; standard error by default.

    Raises:
        InvalidInputError: There is no such level.
        OncefillError: The file cannot be written.
    """
    least = logging.getLevelNamesMapping().get(level.upper())
    if least is None:
        problem = "is not one of debug, info, warning, error, critical"
        raise InvalidInputError("level", problem)
    close_log()
    if file is not None:
        _out.sinks.append(_File(file))
    if console:
        _out.sinks.append(_Console(stream or sys.stderr, has_file=file is not None))
    _out.listen_to_libraries(least)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _add_timestamp,
            # Python's own text of a traceback: it holds no local variables.
            structlog.processors.format_exc_info,
            _redact_fields,
            _write,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=False,
    )


def close_log() -> None:
    """Close the file, and leave logging as it was before ``configure_log``."""
    _out.close()
    structlog.reset_defaults()


def register_secret(value: str) -> None:
    """Have ``value`` replaced by *** wherever it is about to be logged, encoded or not.

    Raises:
        InvalidInputError: It is too short to be told from ordinary text.
    """
    if len(value) < _SECRET_LENGTH_MIN:
        problem = f"is shorter than {_SECRET_LENGTH_MIN} characters; use a longer one"
        raise InvalidInputError("secret", problem)
    _out.hide(_forms(value))


def redact(text: str) -> str:
    """Return ``text`` with every registered secret replaced by ***."""
    if _out.secret is None or len(text) < _SECRET_LENGTH_MIN:
        return text
    return _out.secret.sub(_HIDDEN, text)


class _Out:
    """Where lines go, and what must not be in them."""

    def __init__(self) -> None:
        self.sinks: list[_File | _Console] = []
        self.secret: re.Pattern[str] | None = None
        self._forms: frozenset[str] = frozenset()
        self._handler: _FromLibraries | None = None
        self._levels: dict[str, int] = {}

    def write(self, fields: Fields) -> None:
        for sink in self.sinks:
            # A full disk or a closed terminal must not stop an order.
            with contextlib.suppress(OSError, ValueError):
                sink(fields)

    def hide(self, forms: frozenset[str]) -> None:
        self._forms |= forms
        longest_first = sorted(self._forms, key=lambda form: (-len(form), form))
        self.secret = re.compile("|".join(map(re.escape, longest_first)))

    def listen_to_libraries(self, least: int) -> None:
        self._handler = _FromLibraries()
        logging.getLogger().addHandler(self._handler)
        for name, level in {"": least, **_QUIET}.items():
            logger = logging.getLogger(name)
            self._levels[name] = logger.level
            logger.setLevel(max(level, least))

    def close(self) -> None:
        sinks, self.sinks = self.sinks, []
        for sink in sinks:
            sink.close()
        if self._handler is not None:
            logging.getLogger().removeHandler(self._handler)
            self._handler = None
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)
        self._levels = {}


class _FromLibraries(logging.Handler):
    """What libraries log through the standard library takes the same way out."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: EventDict = {"event": record.getMessage(), "level": record.levelname.lower()}
        fields["logger"] = record.name
        fields["exc_info"] = record.exc_info
        fields = _add_timestamp(None, "", fields)
        fields = structlog.processors.format_exc_info(None, "", fields)
        _write(None, "", _redact_fields(None, "", fields))


class _File:
    """JSON lines, one write per line, so that threads never mix theirs."""

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(path, flags, 0o600)
            os.fchmod(self._descriptor, 0o600)
        except OSError as error:
            message = f"cannot write the log {path}: {error.strerror}; choose another folder"
            raise OncefillError(message) from error

    def __call__(self, fields: Fields) -> None:
        os.write(self._descriptor, msgspec.json.encode(fields) + b"\n")

    def close(self) -> None:
        os.close(self._descriptor)


class _Console:
    """Readable lines. A traceback is in the file; here only its last line, if there is a file."""

    def __init__(self, stream: TextIO, *, has_file: bool) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._has_file = has_file

    def __call__(self, fields: Fields) -> None:
        rest = dict(fields)
        timestamp, level, event = (str(rest.pop(k, "")) for k in ("timestamp", "level", "event"))
        traceback = str(rest.pop("exception", "")).splitlines()
        if traceback:
            rest["error"] = traceback[-1]
        parts = (f"{key}={_shown(value)}" for key, value in rest.items())
        line = " ".join((timestamp, f"{level:<7}", _printable(event), *parts))
        if self._is_terminal and level in _COLOURS:
            line = f"\x1b[{_COLOURS[level]}m{line}\x1b[0m"
        below = [] if self._has_file else [f"    {_printable(text)}" for text in traceback]
        self._stream.write("\n".join((line, *below, "")))
        self._stream.flush()

    def close(self) -> None:
        """Leave the terminal open: it is not ours."""


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    is_plain = text != "" and not any(mark in text for mark in " \"'=")
    return _printable(text) if is_plain or not isinstance(value, str) else json.dumps(text)


def _printable(text: str) -> str:
    """Return ``text`` on one line; control characters could forge lines or steer a terminal."""
    return text if text.isprintable() else json.dumps(text)


def _add_timestamp(_logger: WrappedLogger, _name: str, fields: EventDict) -> EventDict:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"timestamp": now.replace("+00:00", "Z"), **fields}


def _redact_fields(_logger: WrappedLogger, _name: str, fields: EventDict) -> EventDict:
    for key, value in fields.items():
        fields[key] = _text(value) if type(value) is str else _redacted(value)
    return fields


def _redacted(value: object) -> object:
    """Return ``value`` as something JSON knows, without secrets."""
    match value:
        case None | bool() | float():
            return value
        case int() if abs(value) <= _INT_MAX:
            return value
        case Mapping():
            return {_text(str(key)): _redacted(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_redacted(inner) for inner in value]
        case bytes():
            return _text(value.decode("utf-8", "backslashreplace"))
        case _:
            return _text(str(value))


def _text(text: str) -> str:
    # Half of a surrogate pair, as broken broker text may hold, cannot be written as UTF-8.
    return redact(text if text.isascii() else text.encode(errors="backslashreplace").decode())


def _write(_logger: WrappedLogger, _name: str, fields: EventDict) -> str:
    _out.write(fields)
    return ""


def _forms(value: str) -> frozenset[str]:
    """Return ``value`` in every encoding in which it may turn up."""
    raw = value.encode()
    parts = {value}
    if len(value) >= 2 * _PART_LENGTH:
        parts |= {value[:_PART_LENGTH], value[-_PART_LENGTH:]}
    forms = {form for part in parts for form in (part, part.encode().hex())}
    forms |= {form.upper() for form in forms if form not in parts}
    forms |= {quote(value), quote(value, safe=""), quote_plus(value)}
    forms |= {repr(value)[1:-1], json.dumps(value)[1:-1]}
    forms |= set(_base64_forms(raw))
    return frozenset(forms)


def _base64_forms(raw: bytes) -> Iterator[str]:
    """Yield the characters that depend on ``raw`` alone, wherever it stands in encoded text."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode().rstrip("=")
        # Each character holds 6 bits: those shared with a neighbour's byte are left out.
        for before in range(3):
            encoded = encode(b"\0" * before + raw).decode()
            first = -(-before * 8 // 6)
            yield encoded[first : (before + len(raw)) * 8 // 6]


_out = _Out()
