"""The file of the halts: whatever is in it halts, and what another wrote is not lost."""

from itertools import count

import pytest

from domain.halt import ACCOUNT
from infra.store.halt_file import change_halt_file, halts_in, read_halt_file
from tests.unit.domain.test_halt import CROSSOVER, SAMSUNG, halted


@pytest.mark.parametrize("since_s", [2.0**40, -(2.0**40), 253_402_300_800.0, 1e300])
def test_a_file_with_a_time_that_no_calendar_has_halts_the_account(since_s):
    assert list(halts_in(None, since_s)) == [ACCOUNT]


@pytest.mark.parametrize("is_adding", [True, False])
def test_what_another_writes_between_reading_and_writing_is_read_again(tmp_path, is_adding):
    path, others = tmp_path / "HALT", [halted(CROSSOVER), halted(ACCOUNT)]

    def change(found):
        if others:
            other = others.pop()
            change_halt_file(path, lambda there: there | {other.scope: other}, is_adding=True)
        return found | {SAMSUNG: halted(SAMSUNG)}

    change_halt_file(path, change, is_adding=is_adding)

    assert set(read_halt_file(path)) == {ACCOUNT, CROSSOVER, SAMSUNG}
    assert [each.name for each in tmp_path.iterdir()] == ["HALT"]


@pytest.mark.parametrize("is_adding", [True, False])
def test_where_others_write_all_the_time_only_a_halt_is_written(tmp_path, is_adding):
    path = tmp_path / "HALT"
    numbers = count()

    def change(found):
        path.write_text("x" * next(numbers))
        return {SAMSUNG: halted(SAMSUNG)}

    written = change_halt_file(path, change, is_adding=is_adding)

    assert written == ({SAMSUNG: halted(SAMSUNG)} if is_adding else None)
    assert set(read_halt_file(path)) == ({SAMSUNG} if is_adding else {ACCOUNT})
