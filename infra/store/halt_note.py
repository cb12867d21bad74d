"""The halts of a store in a file, as who halts and resumes has them: see halt_file.py, gate.py."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from sqlalchemy import Connection

from domain.errors import StoreError
from infra.store.dialect import explained, writer_engine
from infra.store.drivers import Halts
from infra.store.folders import beside
from infra.store.gate import alone
from infra.store.halt_file import change_halt_file, halt_file, read_halt_file


class FileNote:
    """infra.store.drivers.HaltNote in a file beside the store."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._path = halt_file(store)

    def __str__(self) -> str:
        """Return where the file is."""
        return str(self._path)

    def alone(self, what: str, wait_s: float) -> AbstractContextManager[bool]:
        """Take the lock ``what``, a file beside the store."""
        return alone(beside(self._store, f".{what}"), wait_s)

    def read(self, _within: Connection | None = None) -> Halts:
        """Return the halts in the file."""
        try:
            return read_halt_file(self._path)
        except OSError as error:
            msg = f"{self} cannot be read: {error.strerror}; check the permissions of its folder."
            raise StoreError(msg) from error

    def change(
        self, change: Callable[[Halts], Halts], *, is_adding: bool, wait_s: float
    ) -> tuple[Halts | None, bool]:
        """Replace the file."""
        try:
            # Held for the reading and writing of the file alone, so who waits in vain waits for a
            # command that was stopped just there.
            with self.alone("halt-file", wait_s) as is_alone:
                return change_halt_file(self._path, change, is_adding=is_adding), is_alone
        except OSError as error:
            msg = (
                f"{self} cannot be written: {error.strerror}. To halt the account by hand, make "
                "an empty file of that name, or stop the engine."
            )
            raise StoreError(msg) from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Begin a transaction; the database waits for others."""
        engine = writer_engine(self._store)
        with explained(self._store), engine.connect() as connection, connection.begin():
            yield connection
