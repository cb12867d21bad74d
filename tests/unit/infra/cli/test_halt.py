"""Halt, resume, halts and the commands of the door, where no engine runs."""

import json
from contextlib import closing

import pytest

from tests.unit.domain.orders import started
from tests.unit.infra.store.stores import a_store, commit, steps

ASKING = [
    ("status",),
    ("order", "place", "005930", "BUY", "10", "--signal-id", "m-1"),
    ("order", "cancel", "m-1"),
    ("order", "cancel", "--all", "--reason", "a test"),
    ("reconcile",),
]


@pytest.fixture
def folder(tmp_path):
    with closing(a_store(tmp_path)) as store:
        commit(store.journal(), *steps(started()))
    return tmp_path


def halt(perform, folder, *options, scope="account"):
    words = ("halt", "--scope", scope, "--reason", "strange fills", "--by", "kim")
    return perform(*words, *options, "--store", folder)


def test_a_halt_says_what_is_halted_and_what_is_in_flight(perform, folder):
    code, out, err = halt(perform, folder)

    assert (code, err) == (0, "")
    assert out.startswith("Halted: account.")
    assert "s-1" in out
    assert "SUBMITTED" in out


def test_halts_are_listed_until_they_are_lifted(perform, folder):
    assert perform("halts", "--store", folder) == (0, "No halt is in force.\n", "")
    halt(perform, folder, scope="symbol:005930")
    code, out, _ = perform("halts", "--json", "--store", folder)
    assert code == 4
    (shown,) = json.loads(out)["halts"]
    assert (shown["scope"], shown["reason"]) == ("symbol:005930", "strange fills")
    assert "by kim: strange fills" in perform("halts", "--store", folder)[1]

    resume = ("resume", "--reason", "looked", "--store", folder, "--scope")
    assert perform(*resume, "account")[0] == 2
    assert perform(*resume, "symbol:005930") == (0, "Resumed: symbol:005930.\n", "")

    assert perform("halts", "--store", folder)[0] == 0
    code, out, _ = perform("audit", "show", "--stream", "halt", "--store", folder / "oncefill.db")
    assert "trading halted for symbol:005930 by kim: strange fills" in out.replace("\n", " ")


def test_where_no_store_is_nothing_is_said_of_halts(perform, folder):
    for words in (("halts",), ("halts", "--json")):
        code, out, err = perform(*words, "--store", folder / "mistyped.db")

        assert (code, out) == (1, "")
        assert f"There is no store at {folder / 'mistyped.db'}" in err


@pytest.mark.parametrize("is_halted", [True, False])
def test_a_store_that_cannot_be_read_is_not_said_to_be_free_of_halts(perform, folder, is_halted):
    if is_halted:
        halt(perform, folder)
    (folder / "oncefill.db-wal").unlink(missing_ok=True)
    (folder / "oncefill.db").write_bytes(b"x" * 8192)

    for words in (("halts",), ("halts", "--json")):
        code, out, err = perform(*words, "--store", folder)

        assert (code, out) == (1, "")
        assert "Its halts are not known" in err
        assert ("account is halted since" in err) == is_halted


def test_a_halt_that_should_cancel_says_that_nobody_answers(perform, folder):
    code, out, err = halt(perform, folder, "--cancel", "--json")

    assert code == 3
    assert "Nothing was cancelled: No engine answers" in err
    told = json.loads(out)
    assert (told["is_quiet"], told["cancelled"]) == (True, None)
    assert [order["signal_id"] for order in told["in_flight"]] == ["s-1"]


@pytest.mark.parametrize(
    "words",
    [("--scope", "all", "--reason", "x"), ("--scope", "account", "--reason", " "),
     ("--scope", "account", "--reason", "x", "--by", "x" * 65)],
)  # fmt: skip
def test_a_halt_of_nothing_or_for_no_reason_is_wrong_use(perform, folder, words):
    code, _, err = perform("halt", *words, "--store", folder)

    assert (code, err.count("\n")) == (2, 1)
    assert not (folder / "HALT").exists()


def test_a_halt_without_a_store_says_so(perform, tmp_path):
    code, _, err = halt(perform, tmp_path / "none")

    assert (code, "no store" in err) == (1, True)


@pytest.mark.parametrize("words", ASKING)
def test_where_no_engine_answers_the_code_is_3(perform, folder, words):
    code, out, err = perform(*words, "--store", folder)
    assert (code, out) == (3, "")
    assert "No engine answers" in err

    code, out, _ = perform(*words, "--json", "--store", folder)
    assert (code, json.loads(out)["error"]["code"]) == (3, "no_engine")
