"""Settings from a file and the environment; every mistake is named by its place."""

from infra.config.reader import load_settings

__all__ = ["load_settings"]
