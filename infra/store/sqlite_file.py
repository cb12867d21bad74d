"""Is the file of an SQLite store sound, and are its triggers in place?"""

from typing import Final

from sqlalchemy import Connection

from infra.store.dialect import TRIGGERS

_LONGEST: Final = 3


def damage(connection: Connection, *, quick: bool = False) -> list[str]:
    """Return what is wrong with the file's pages, a few lines; ``quick`` leaves out the indexes."""
    check = "quick_check" if quick else "integrity_check"
    said = connection.exec_driver_sql(f"PRAGMA {check}({_LONGEST})").scalars().all()
    return [] if said == ["ok"] else [str(line) for line in said]


def guards_missing(connection: Connection) -> list[str]:
    """Return the triggers that are missing or not as they were made."""
    found = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE type = 'trigger'")
    there = set(found.scalars())
    return [trigger.split()[2] for trigger in TRIGGERS if trigger not in there]


def descriptions(connection: Connection) -> list[str]:
    """Return the texts that the file's tables, indexes and triggers were made with."""
    found = connection.exec_driver_sql(
        "SELECT type || ' ' || name || ' ' || tbl_name || ' ' || coalesce(sql, '') "
        "FROM sqlite_master ORDER BY type, name"
    )
    return list(found.scalars())
