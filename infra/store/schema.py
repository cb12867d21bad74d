"""What a store must be before it is used, and how an empty file becomes one."""

from collections.abc import Mapping
from hashlib import sha256
from importlib import import_module
from typing import Final

import msgspec
from sqlalchemy import Connection, delete, insert, inspect, select, update

from domain.errors import FencedError, StoreError
from infra.store.halt_rows import NOTE, PASSING
from infra.store.places import Place, descriptions, triggers_of
from infra.store.tables import META, REVISION, SCHEMA_VERSION, StoreRow

_ENCODE: Final = msgspec.json.Encoder().encode
_IS_EPOCH: Final = META.c.key == "epoch"


def create_schema(connection: Connection, meta: Mapping[str, str]) -> None:
    """Make the tables and say what the store is, within the connection's transaction."""
    StoreRow.metadata.create_all(connection)
    for trigger in triggers_of(connection.dialect.name):
        connection.exec_driver_sql(trigger)
    connection.execute(insert(REVISION).values(version_num=f"{SCHEMA_VERSION:04}"))
    values = {"schema_version": str(SCHEMA_VERSION), "epoch": "0", **meta}
    connection.execute(insert(META), [{"key": key, "value": val} for key, val in values.items()])
    seal_tables(connection)


def is_passing(key: str) -> bool:
    """Return whether a row of meta comes and goes, and no sum covers it: who is there, halts."""
    return key in ("holder", NOTE) or key.startswith(PASSING)


def end_passages(connection: Connection) -> None:
    """Forget the calls of earlier engines; to be called by who holds the account's lock."""
    connection.execute(delete(META).where(META.c.key.startswith(PASSING)))


def meta_sum(meta: Mapping[str, str]) -> str:
    """Return the checksum of what the store says about itself; its holder and halts come and go."""
    covered = sorted(
        (key, value) for key, value in meta.items() if not is_passing(key) and key != "sum"
    )
    return sha256(_ENCODE(covered)).hexdigest()


def tables_sum(connection: Connection) -> str:
    """Return the checksum of the tables' own descriptions."""
    return sha256(_ENCODE(descriptions(connection))).hexdigest()


def seal_tables(connection: Connection) -> None:
    """Write both checksums anew; to be called when tables were made or changed."""
    connection.execute(delete(META).where(META.c.key == "tables"))
    connection.execute(insert(META), [{"key": "tables", "value": tables_sum(connection)}])
    seal(connection)


def require_sealed(meta: Mapping[str, str], place: Place) -> None:
    """Raise StoreError when what the store says about itself is not what was written."""
    if meta.get("sum") != meta_sum(meta):
        msg = (
            f"{place} is damaged: what it says about itself was changed. Keep it as it is, run "
            "audit verify on a copy, and restore a copy."
        )
        raise StoreError(msg)


def seal(connection: Connection) -> None:
    """Write the checksum of meta anew; to be called after every change of it."""
    meta = {row.key: row.value for row in connection.execute(select(META))}
    connection.execute(delete(META).where(META.c.key == "sum"))
    connection.execute(insert(META), [{"key": "sum", "value": meta_sum(meta)}])


def is_empty(connection: Connection) -> bool:
    """Return whether the file holds no tables: new, or its creation did not finish."""
    return not inspect(connection).get_table_names()


def upgrade_schema(connection: Connection, place: Place) -> int:
    """Bring the tables of an older store up to date; return the version that it had.

    To be called by who holds the account's lock, within one transaction.

    Raises:
        StoreError: It is no store of ours, or of a newer version.
    """
    version = _version_of(_read(connection, place), place)
    if version < SCHEMA_VERSION:
        # Alembic takes a while to load, and most stores are up to date.
        migrations = import_module("infra.store.migrations")
        migrations.migrate(connection, known=version, to=SCHEMA_VERSION)
        is_version = META.c.key == "schema_version"
        connection.execute(update(META).where(is_version).values(value=str(SCHEMA_VERSION)))
        seal_tables(connection)
    return version


def account_of(connection: Connection, place: Place) -> str:
    """Return whose store it is, of whatever version."""
    return _read(connection, place).get("account_id", "unknown")


def read_meta(connection: Connection, place: Place) -> dict[str, str]:
    """Return what the store says about itself, once it is one that this version can use.

    Raises:
        StoreError: It is no store of ours, or of another version.
    """
    meta = _read(connection, place)
    version = _version_of(meta, place)
    if version < SCHEMA_VERSION:
        msg = (
            f"{place} has schema {version}, this version reads {SCHEMA_VERSION}: run `db upgrade` "
            "on it, or start its engine, which does so."
        )
        raise StoreError(msg)
    if "account_id" not in meta or not meta.get("epoch", "").isdecimal():
        msg = f"{place} is damaged: it does not say its account and epoch; restore a copy."
        raise StoreError(msg)
    return meta


def _read(connection: Connection, place: Place) -> dict[str, str]:
    if not inspect(connection).has_table(META.name):
        msg = f"{place} is not an Oncefill store; name the store's file, or a new one."
        raise StoreError(msg)
    return {row.key: row.value for row in connection.execute(select(META))}


def _version_of(meta: Mapping[str, str], place: Place) -> int:
    version = meta.get("schema_version", "")
    if not version.isdecimal():
        msg = f"{place} is not an Oncefill store: it has no schema version."
        raise StoreError(msg)
    if int(version) > SCHEMA_VERSION:
        msg = (
            f"{place} has schema {version}, this version knows {SCHEMA_VERSION}: upgrade Oncefill."
        )
        raise StoreError(msg)
    return int(version)


def read_epoch(connection: Connection) -> int:
    """Return the epoch of the latest engine; 0 when there was none yet."""
    return int(connection.execute(select(META.c.value).where(_IS_EPOCH)).scalar_one())


def bump_epoch(connection: Connection, known: int) -> int:
    """Fence off every earlier engine; return the new epoch.

    Raises:
        FencedError: The epoch is not the ``known`` one: another engine has taken over meanwhile.
    """
    chosen = select(META.c.value).where(_IS_EPOCH).with_for_update()
    found = int(connection.execute(chosen).scalar_one())
    if found != known:
        msg = (
            f"Another engine has taken over this store (epoch {found}, this one had {known}); "
            "this one goes no further."
        )
        raise FencedError(msg)
    connection.execute(update(META).where(_IS_EPOCH).values(value=str(found + 1)))
    seal(connection)
    return found + 1
