"""Runs simulated days on a product with one bug planted in it; a process of its own.

A bug is a patch in this folder. It is applied to the source as that is imported, never to a file.
"""

import json
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


class StalePatchError(Exception):
    """A patch names text that the source does not have (any more) exactly once."""


def read_patch(text: str) -> dict[str, list[tuple[str, str]]]:
    """Return what a unified diff replaces by what, for each file; line numbers do not count."""
    files: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for line in text.splitlines(keepends=True):
        if line.startswith("--- "):
            name = ""
        elif line.startswith("+++ "):
            name = line.split()[1].removeprefix("b/")
            files[name] = []
        elif line.startswith("@@"):
            files[name].append(("", ""))
        elif line[0] in " +-" and name and files[name]:
            before, after = files[name][-1]
            if line[0] != "+":
                before += line[1:]
            if line[0] != "-":
                after += line[1:]
            files[name][-1] = before, after
    return files


def patched(source: str, hunks: Sequence[tuple[str, str]], name: str) -> str:
    """Return the source with every hunk replaced.

    Raises:
        StalePatchError: A hunk's text is not there exactly once: write the patch anew.
    """
    for before, after in hunks:
        if source.count(before) != 1:
            text = f"{name} has this {source.count(before)} times:\n{before}"
            raise StalePatchError(text)
        source = source.replace(before, after)
    return source


def bugs() -> list[str]:
    """Return the names of all planted bugs."""
    return sorted(path.stem for path in HERE.glob("*.patch"))


def sources(bug: str) -> dict[str, str]:
    """Return the patched sources of a bug by module name.

    Raises:
        StalePatchError: The patch does not apply.
    """
    files = read_patch((HERE / f"{bug}.patch").read_text())
    return {
        name.removesuffix(".py").replace("/", "."): patched((ROOT / name).read_text(), hunks, name)
        for name, hunks in files.items()
    }


class _PlantedLoader(SourceFileLoader):
    """Compiles the patched source under the file's own name."""

    def __init__(self, fullname: str, path: str, source: str) -> None:
        super().__init__(fullname, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self.path, "exec", dont_inherit=True)


class _PlantedFinder(MetaPathFinder):
    """Finds the patched modules before anybody finds the sound ones."""

    def __init__(self, planted: dict[str, str]) -> None:
        self._planted = planted

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec:
        source = self._planted.get(fullname)
        if source is None:
            return None
        file = str(ROOT / f"{fullname.replace('.', '/')}.py")
        return spec_from_file_location(
            fullname, file, loader=_PlantedLoader(fullname, file, source)
        )


def main(bug: str, profile: str, first: str, count: str) -> int:
    """Run ``count`` days from seed ``first``; print the first violation as JSON, or null."""
    assert "actors" not in sys.modules, "the product was imported before the bug was planted"
    planted = sources(bug)
    sys.meta_path.insert(0, _PlantedFinder(planted))
    campaign = import_module("tests.simulation.campaign")

    campaign.be_silent()
    summary = campaign.run_days(range(int(first), int(first) + int(count)), profile)
    assert planted.keys() <= sys.modules.keys(), "the planted bug was never imported"
    found = summary.violations[0] if summary.violations else None
    shown = found and {
        "seed": found.seed,
        "invariant": found.violation.invariant,
        "violation": str(found.violation),
    }
    sys.stdout.write(json.dumps({"days": summary.counts["days"], "found": shown}) + "\n")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(*sys.argv[1:]))
