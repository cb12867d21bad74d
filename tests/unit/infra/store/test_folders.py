"""Where the latest store is looked for."""

import pytest

from infra.store.folders import latest_store
from tests.unit.infra.store.stores import a_store


@pytest.mark.parametrize("pointer", [None, "", "gone", "../elsewhere"])
def test_without_a_latest_run_the_engines_own_store_is_found(tmp_path, pointer):
    if pointer is not None:
        (tmp_path / "latest").write_text(pointer)
    a_store(tmp_path / "main").close()

    assert latest_store(tmp_path) == tmp_path / "main" / "oncefill.db"
