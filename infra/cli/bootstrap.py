"""Sets Oncefill up on a bare Python: packages in .venv beside run.py, made once, kept up to date.

A Python that has the packages already (uv, an activated environment) is used as it is. Only the
standard library here.
"""

import fcntl
import hashlib
import json
import operator
import os
import re
import subprocess
import sys
import time
import tomllib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from domain.errors import OncefillError

# Starts in a row that found no packages; a third means the new environment is not used at all.
_STARTS = "ONCEFILL_STARTS"
_STARTS_MAX = 2
_LAST_LINES = 6

_COMPARE = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}


class SetupError(OncefillError):
    """Oncefill could not set itself up; the text says what to do."""


# Runs a command, tells each line that it prints, and returns its exit code.
Run = Callable[[Sequence[str], Callable[[str], None]], int]
Execute = Callable[[str, list[str]], NoReturn]


def prepare(
    script: Path,
    arguments: Sequence[str],
    *,
    dev: bool,
    run: Run | None = None,
    execute: Execute = os.execv,
) -> None:
    """Return if this Python has what is needed; else set up .venv and start again inside it.

    Args:
        script: The path of run.py.
        arguments: What followed run.py on the command line.
        dev: The packages of the tests are needed too.
        run: Runs venv and pip; tests pass their own.
        execute: Replaces this process; tests pass their own.

    Raises:
        SetupError: The packages could not be installed.
    """
    setup = Setup(root=script.resolve().parent, dev=dev, run=run or run_command)
    if setup.serves_this_python():
        os.environ.pop(_STARTS, None)
        return
    starts = int(os.environ.get(_STARTS, "0"))
    if starts >= _STARTS_MAX:
        message = (
            f"{setup.venv} does not work with this Python. Unset PYTHONHOME and PYTHONPATH, "
            "delete .venv and run again"
        )
        raise SetupError(message)
    with only_one(setup.root):
        if not setup.is_ready():
            setup.build()
    os.environ[_STARTS] = str(starts + 1)
    sys.stdout.flush()
    sys.stderr.flush()
    execute(str(setup.python), [str(setup.python), str(script), *arguments])


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The environment that belongs to a checkout.

    Its stamp says which pyproject.toml, constraints.txt and Python it was made for. The stamp is
    taken away before any change and written last: no stamp means half-made.
    """

    root: Path
    dev: bool
    run: Run

    @property
    def venv(self) -> Path:
        """The folder of the environment."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.venv / "bin" / "python"

    @property
    def stamp(self) -> Path:
        """The file that says what the environment was made for."""
        return self.venv / ".oncefill.json"

    def serves_this_python(self) -> bool:
        """Return whether the running Python may go on as it is."""
        if self.is_inside() and self.stamp.exists() and not self.is_current():
            return False
        return not missing(self.requirements())

    def is_inside(self) -> bool:
        """Return whether the running Python is the environment's."""
        return os.path.realpath(sys.prefix) == os.path.realpath(self.venv)

    def is_ready(self) -> bool:
        """Return whether nothing needs to be installed: current, and not damaged as far as seen."""
        return self.is_current() and not (self.is_inside() and missing(self.requirements()))

    def is_current(self) -> bool:
        """Return whether the environment was made for these files, this Python and these tools."""
        made_for = self._made_for() or {}
        has_dev = bool(made_for.pop("dev", False))
        return made_for == self._wanted() and (has_dev or not self.dev)

    def build(self) -> None:
        """Make the environment or bring it up to date."""
        began = time.monotonic()
        if not os.access(self.root, os.W_OK):
            message = f"cannot write to {self.root}; copy Oncefill to a folder of your own"
            raise SetupError(message)
        is_usable = self._is_usable()
        self.stamp.unlink(missing_ok=True)
        if is_usable:
            _say("Oncefill brings its packages in .venv up to date.")
        else:
            _say("Oncefill sets itself up in .venv: once, about a minute.")
            self._make()
        requirements = self.requirements()
        _say(f"  installing {len(requirements)} packages and what they need")
        self._install(requirements)
        fresh = self.stamp.with_suffix(".new")
        fresh.write_text(json.dumps({**self._wanted(), "dev": self.dev}))
        fresh.replace(self.stamp)
        _say(f"  ready after {time.monotonic() - began:.0f} s")

    def requirements(self) -> tuple[str, ...]:
        """Return what pyproject.toml asks for."""
        declared = tomllib.loads((self.root / "pyproject.toml").read_text())
        runtime = declared["project"]["dependencies"]
        return (*runtime, *(declared["dependency-groups"]["dev"] if self.dev else ()))

    def _wanted(self) -> dict[str, str]:
        digest = hashlib.sha256()
        for name in ("pyproject.toml", "constraints.txt"):
            digest.update((self.root / name).read_bytes())
        return {"files": digest.hexdigest(), "python": os.path.realpath(self.python)}

    def _made_for(self) -> dict[str, str | bool] | None:
        try:
            made_for: dict[str, str | bool] = json.loads(self.stamp.read_text())
        except (OSError, ValueError):
            return None
        return made_for if self.python.exists() else None

    def _is_usable(self) -> bool:
        """Return whether pip can change the environment in place."""
        made_for = self._made_for() or {}
        has_pip = any(self.venv.glob("lib/python*/site-packages/pip"))
        return has_pip and made_for.get("python") == os.path.realpath(self.python)

    def _make(self) -> None:
        if not (find_spec("venv") and find_spec("ensurepip")):
            package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
            message = (
                f"this Python cannot make environments. Install {package} "
                f"(Debian, Ubuntu: sudo apt install {package}) and run again"
            )
            raise SetupError(message)
        # The interpreter below any environment that runs this: it outlives --clear.
        base = os.path.realpath(sys.executable)
        self._run_or_say_why(
            [base, "-m", "venv", "--clear", str(self.venv)],
            "Python could not make .venv. Mend what is said above and run again",
        )

    def _install(self, requirements: Sequence[str]) -> None:
        command = [str(self.python), "-m", "pip", "install", "--no-input"]
        command += ["--disable-pip-version-check", "-c", str(self.root / "constraints.txt")]
        self._run_or_say_why(
            [*command, *requirements],
            "pip could not install the packages. Check the network and pip's settings, "
            "then run again",
        )

    def _run_or_say_why(self, command: Sequence[str], otherwise: str) -> None:
        last: deque[str] = deque(maxlen=_LAST_LINES)

        def told(line: str) -> None:
            last.extend([line] if line.strip() else [])
            if line.startswith("Collecting ") and sys.stderr.isatty():
                print(f"\r  {line.split()[1][:40]:<40}\r", end="", file=sys.stderr, flush=True)

        if self.run(command, told) != 0:
            for line in last:
                _say(f"  {line}")
            raise SetupError(otherwise)


def missing(requirements: Sequence[str]) -> list[str]:
    """Return the requirements that this Python does not meet."""
    return [requirement for requirement in requirements if not _is_met(requirement)]


def _is_met(requirement: str) -> bool:
    """Return whether ``name>=1.2,<2`` is installed; a form unknown here counts as not met."""
    match = re.fullmatch(r"([\w.-]+)\s*((?:[<>=!]=?\s*[\d.]+\s*,?\s*)*)", requirement)
    if match is None:
        return False
    name, bounds = match.groups()
    try:
        have = _numbers(version(name))
    except PackageNotFoundError:
        return False
    pairs = re.findall(r"([<>=!]=?)\s*([\d.]+)", bounds)
    return all(
        compare in _COMPARE and _COMPARE[compare](have, _numbers(to)) for compare, to in pairs
    )


def _numbers(text: str) -> tuple[int, ...]:
    """Return ``2.1.0`` as (2, 1): zeros at the end do not count."""
    return tuple(map(int, re.findall(r"\d+", re.sub(r"(\.0)+$", "", text))))


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Let one process at a time set up ``folder``; the lock ends with its holder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("Another Oncefill is setting itself up here; waiting for it.")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def run_command(command: Sequence[str], told: Callable[[str], None]) -> int:
    """Run ``command``, tell each line that it prints, and return its exit code."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # A user's setting "install --user" would fail inside an environment.
        env={**os.environ, "PIP_USER": "no"},
    ) as process:
        for line in process.stdout or ():
            told(line.rstrip())
    return process.returncode


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
