"""The files of the project, without what tools leave behind."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
LAYERS = ("domain", "actors", "infra")

# Dot folders that belong to the project; all others are caches and environments.
OWN_DOT_FOLDERS = (".ci",)
LEFT_BEHIND = ("__pycache__", "dist", "build")


def project_files() -> list[Path]:
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [
            name
            for name in folders
            if name not in LEFT_BEHIND and (name[0] != "." or name in OWN_DOT_FOLDERS)
        ]
        found += [
            Path(folder, name) for name in names if not name.startswith((".coverage", "uv.lock"))
        ]
    return sorted(path for path in found if path.is_file() and path.name != ".git")


def python_files(*folders: str) -> list[Path]:
    return [
        path
        for path in project_files()
        if path.suffix == ".py" and (not folders or path.relative_to(ROOT).parts[0] in folders)
    ]


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
