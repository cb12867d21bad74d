"""What may be in the project's tree, and what may not."""

import re
import subprocess
import sys
import tomllib

from tests.house.files import LEFT_BEHIND, ROOT, project_files, shown

ALLOWED_AT_THE_TOP = {
    "README.md",
    "actors",
    "constraints.txt",
    "domain",
    "infra",
    "pyproject.toml",
    "run.py",
    "tests",
}
FILE_BYTES_MAX = 200_000

# Addresses of package registries and paths of somebody's machine; split, so as not to find itself.
FORBIDDEN = (
    "pypi" + r"\.org",
    "files.python" + "hosted",
    "registry." + "npmjs",
    r"(?<![\w.])/ro" + "ot/",
    r"(?<![\w.])/wo" + "rk/",
    r"(?<![\w.])/fa" + "rm/",
    r"(?<![\w.])/ho" + r"me/\w+/",
    r"(?<![\w.])/t" + "mp/(venv|studio)",
    r"\." + "pyenv/versions",
    "farm" + "-",
    "clau" + "de",
    "anth" + "ropic",
    "sub" + "agent",
    "before" + "-stop",
)


def forbidden_words(text):
    return [word for word in FORBIDDEN if re.search(word, text, re.IGNORECASE)]


def pins():
    return (ROOT / "constraints.txt").read_text().split()


def test_the_top_level_holds_only_what_belongs_there():
    visible = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}

    assert visible - {*LEFT_BEHIND, "uv.lock"} - ALLOWED_AT_THE_TOP == set()


def test_no_file_names_a_registry_or_somebodys_machine():
    found = {shown(p): forbidden_words(p.read_text(errors="replace")) for p in project_files()}

    assert {name: words for name, words in found.items() if words} == {}
    assert forbidden_words("see https://PyPI" + ".org/simple") != []
    assert forbidden_words("cd /ro" + "ot/x") != []


def test_no_file_is_large():
    found = {shown(path): path.stat().st_size for path in project_files()}

    assert {name: size for name, size in found.items() if size > FILE_BYTES_MAX} == {}


def test_uv_and_pip_install_the_same_versions():
    uv = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]

    assert uv["constraint-dependencies"] == pins()


def test_constraints_are_exact_versions_and_nothing_else():
    assert [pin for pin in pins() if not re.fullmatch(r"[\w.-]+==[\d.]+", pin)] == []


def test_every_installed_package_is_pinned():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = declared["project"]["dependencies"] + declared["dependency-groups"]["dev"]
    pinned = {pin.partition("==")[0].lower().replace("_", "-") for pin in pins()}

    names = {re.split(r"[^\w.-]", requirement)[0].lower() for requirement in wanted}

    assert names - pinned == set()


def test_the_help_needs_no_package():
    # -S: no site-packages, as on a fresh machine.
    shown_help = subprocess.run(
        [sys.executable, "-S", "run.py", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "demo" in shown_help.stdout
