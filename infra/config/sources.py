"""Where settings are written: a TOML file, a folder of secrets, ``.env``, and the environment.

Each wins over those before it. Of what is shared with other programs only names that begin with
``ONCEFILL_`` are read; two underscores stand for the dot.
"""

import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from domain.errors import InvalidInputError

PREFIX: Final = "ONCEFILL_"
DOTENV: Final = Path(".env")
SECRETS: Final = "ONCEFILL_SECRETS"

# Of the launcher, of the tests, of the door, and of this file: no settings.
_RESERVED: Final = ("ONCEFILL_STARTS", "ONCEFILL_TEST_", "ONCEFILL_RUNTIME", SECRETS)
_LARGEST: Final = 2**20
_STATEMENT: Final = re.compile(r"\s*(?:export\s+)?(ONCEFILL_\w*)\s*=\s*(.*?)\s*")
_OURS: Final = re.compile(r"\s*(?:export\s+)?ONCEFILL_")
_QUOTED: Final = re.compile(r"""(?:'([^']*)'|"((?:[^"\\]|\\.)*)")(?:\s+\#.*)?""")
_COMMENT: Final = re.compile(r"(?:^|\s+)#.*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A value as it was written.

    Attributes:
        where: The variable, the file and its key, or the file of the secret.
        is_text: It has no type yet, as TOML's values have one.
        is_secret: Never shown: from the folder of secrets, or a URL with a password in it.
        file: Where others could read it, if it is not of the environment.
    """

    where: str
    value: object
    is_text: bool = True
    is_secret: bool = False
    file: Path | None = None


def read_sources(
    file: Path | None, environ: Mapping[str, str], dotenv: Path | None = None
) -> dict[str, Given]:
    """Return what is written for each key, by the source that wins.

    Raises:
        InvalidInputError: A source cannot be read, or others can read a secret in it.
    """
    given = {} if file is None else dict(_of_file(file))
    given |= _of_secrets(environ)
    given |= {} if dotenv is None else dict(_of_dotenv(dotenv))
    given |= _by_key({name: Given(where=name, value=text) for name, text in environ.items()})
    given = {key: _marked(each) for key, each in given.items()}
    for each in given.values():
        if each.is_secret and each.file is not None:
            _require_private(each.file)
    return given


def _of_file(file: Path) -> Iterator[tuple[str, Given]]:
    try:
        raw = tomllib.loads(_text_of("config", file), parse_float=Decimal)
    except ValueError as error:
        raise InvalidInputError("config", f"{file} is not TOML: {error}") from error
    for name, value in raw.items():
        inner = value if isinstance(value, dict) else {"": value}
        for key, each in inner.items():
            path = f"{name}.{key}" if key else name
            yield path, Given(where=f"{file}: {path}", value=each, is_text=False, file=file)


def _of_secrets(environ: Mapping[str, str]) -> dict[str, Given]:
    if not (folder := environ.get(SECRETS)):
        return {}
    try:
        files = sorted(Path(folder).iterdir())
    except OSError as error:
        raise InvalidInputError(SECRETS, f"{folder} cannot be read: {error.strerror}") from error
    return _by_key(
        {
            file.name.upper(): Given(
                where=str(file),
                value=_text_of(SECRETS, file).rstrip("\r\n"),
                is_secret=True,
                file=file,
            )
            for file in files
            if file.name.upper().startswith(PREFIX)
        }
    )


def _of_dotenv(file: Path) -> dict[str, Given]:
    if not file.exists():
        return {}
    found: dict[str, Given] = {}
    for number, line in enumerate(_text_of(".env", file).splitlines(), 1):
        if _OURS.match(line) is None:
            continue
        place = f"{file}, line {number}"
        statement = _STATEMENT.fullmatch(line)
        if statement is None:
            raise InvalidInputError(place, "write NAME=VALUE")
        name, written = statement.groups()
        if name in found:
            raise InvalidInputError(place, f"{name} is there twice; take one out")
        if name.startswith(_RESERVED):
            raise InvalidInputError(place, f"{name} is read from the environment itself only")
        value = _unquoted(place, written)
        found[name] = Given(where=f"{file}: {name}", value=value, file=file)
    return _by_key(found)


def _unquoted(place: str, written: str) -> str:
    if not written.startswith(("'", '"')):
        return _COMMENT.sub("", written)
    quoted = _QUOTED.fullmatch(written)
    if quoted is None:
        raise InvalidInputError(place, "close the quotes, and write nothing behind them")
    plain, escaped = quoted.groups()
    return plain if escaped is None else re.sub(r"\\(.)", r"\1", escaped)


def _by_key(named: Mapping[str, Given]) -> dict[str, Given]:
    return {
        name.removeprefix(PREFIX).lower().replace("__", "."): given
        for name, given in named.items()
        if name.startswith(PREFIX) and not name.startswith(_RESERVED)
    }


def _marked(given: Given) -> Given:
    if given.is_secret or not _has_password(given.value):
        return given
    return Given(
        where=given.where,
        value=given.value,
        is_text=given.is_text,
        is_secret=True,
        file=given.file,
    )


def _has_password(value: object) -> bool:
    if not isinstance(value, str) or "://" not in value:
        return False
    try:
        url = urlsplit(value)
        return bool(url.password) or "password" in parse_qs(url.query)
    except ValueError:
        return True  # Who knows what is in it.


def _require_private(file: Path) -> None:
    mode = file.stat().st_mode
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        problem = "holds a secret, and others may read or change it; chmod 600 it"
        raise InvalidInputError(str(file), problem)


def _text_of(field: str, file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(_LARGEST).decode()
    except OSError as error:
        raise InvalidInputError(field, f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInputError(field, f"{file} is not UTF-8: {error.reason}") from error
