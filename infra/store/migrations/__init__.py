"""Forward steps of the store's tables, on both databases; one file in ``versions`` for each.

A revision's number is the ``schema_version`` it leads to. Journals are never rewritten.
"""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, inspect

from domain.errors import StoreError

VERSION_TABLE: Final = "alembic_version"


def revision_of(schema_version: int) -> str:
    """Return the revision that leads to a schema version."""
    return f"{schema_version:04}"


def migrate(connection: Connection, *, known: int | None, to: int) -> None:
    """Take the tables from version ``known`` (None: there are none) to ``to``.

    All of it happens in the connection's transaction.

    Raises:
        StoreError: The store says that it is of a revision that is not known here.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    try:
        if known is not None and VERSION_TABLE not in inspect(connection).get_table_names():
            # Before version 2 only the store itself said which version it is.
            command.stamp(config, revision_of(known))
        command.upgrade(config, revision_of(to))
    except CommandError as error:
        msg = f"The store cannot be upgraded: {error}. It is as it was; restore a copy of it."
        raise StoreError(msg) from error
