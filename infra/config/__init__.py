"""Settings from a file, secrets, ``.env`` and the environment; a mistake is named by its place."""

from infra.config.reader import Config, load_config, load_settings, named_store
from infra.config.sources import DOTENV

__all__ = ["DOTENV", "Config", "load_config", "load_settings", "named_store"]
