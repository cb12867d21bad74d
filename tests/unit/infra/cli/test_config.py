"""``config``: what an engine would run with, and where that comes from."""

import json

import pytest

from infra.cli.source import store_in
from infra.config.schema import schema
from tests.conftest import CANARY

SECRET_URL = f"postgresql://me:{CANARY}@host/trade?schema=paper"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def settings(perform):
    """Return a function that gives each setting as JSON shows it, by its key."""

    def show(*argv):
        code, out, err = perform("config", "show", "--json", *argv)
        assert (code, err) == (0, "")
        return {each["setting"]: each for each in json.loads(out)["settings"]}

    return show


def test_each_value_says_where_it_comes_from(settings, folder, monkeypatch):
    (folder / "a.toml").write_text('[risk]\nmax_order_qty = "10.50"\n[rate]\nrequests = 5\n')
    (folder / ".env").write_text("ONCEFILL_SESSION=ALWAYS_OPEN\n")
    monkeypatch.setenv("ONCEFILL_RATE__REQUESTS", "7")

    found = settings("--config", "a.toml")

    def told(key):
        return found[key]["value"], found[key]["from"]

    assert told("risk.max_order_qty") == ("10.50", "a.toml: risk.max_order_qty")
    assert told("rate.requests") == (7, "ONCEFILL_RATE__REQUESTS")
    assert told("session") == ("ALWAYS_OPEN", ".env: ONCEFILL_SESSION")
    assert told("signal_deadline_s") == (30.0, "default")
    assert told("store") == (None, "default")


def test_every_key_of_the_schema_is_shown(settings):
    keys = set()
    for name, about in schema()["properties"].items():
        keys |= (
            {f"{name}.{key}" for key in about["properties"]} if "properties" in about else {name}
        )

    assert keys == set(settings())


@pytest.mark.parametrize("source", ["environment", "dotenv", "secrets", "file"])
@pytest.mark.parametrize("argv", [("show",), ("show", "--json"), ("check",), ("check", "--json")])
def test_a_secret_is_never_shown(perform, folder, monkeypatch, source, argv):
    options = ()
    match source:
        case "environment":
            monkeypatch.setenv("ONCEFILL_STORE", SECRET_URL)
        case "dotenv":
            _write(folder / ".env", f"ONCEFILL_STORE='{SECRET_URL}'")
        case "secrets":
            (folder / "s").mkdir()
            _write(folder / "s" / "oncefill_store", SECRET_URL)
            monkeypatch.setenv("ONCEFILL_SECRETS", str(folder / "s"))
        case _:
            _write(folder / "a.toml", f'store = "{SECRET_URL}"')
            options = ("--config", "a.toml")

    code, out, err = perform("config", *argv, *options)

    assert (code, err) == (0, "")
    assert CANARY not in out
    assert "set (from " in out if argv == ("show",) else "store" in out


def _write(file, text):
    file.write_text(text)
    file.chmod(0o600)


def test_right_settings_are_said_to_be_right(perform, folder, monkeypatch):
    monkeypatch.setenv("ONCEFILL_RATE__REQUESTS", "7")

    code, out, _ = perform("config", "check")

    assert code == 0
    assert out == (
        "The settings are right; given: rate.requests. "
        f"The store: {folder}/.oncefill/main/oncefill.db\n"
    )


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ONCEFILL_RATE__REQUETS", "5", "unknown setting; did you mean rate.requests?"),
        ("ONCEFILL_RATE__REQUESTS", "0", "give a whole number"),
    ],
)
def test_a_mistake_is_named_and_what_to_do(perform, monkeypatch, name, value, said):
    monkeypatch.setenv(name, value)

    code, out, err = perform("config", "check")
    as_json = json.loads(perform("config", "check", "--json")[1])

    assert (code, out) == (1, "")
    assert err.startswith(f"oncefill: {name}: {said}")
    assert (as_json["ok"], as_json["field"]) == (False, name)
    assert as_json["problem"].startswith(said)
    assert perform("config", "show")[0] == 2


def test_a_store_that_cannot_be_is_a_mistake(perform, monkeypatch):
    monkeypatch.setenv("ONCEFILL_STORE", "mysql://host/trade")

    code, _, err = perform("config", "check")

    assert code == 1
    assert err.startswith("oncefill: store: A store is a file or a postgresql:// address")


def test_the_schema_knows_types_defaults_and_no_other_keys(perform):
    code, out, _ = perform("config", "schema")

    printed = json.loads(out)
    properties = printed["properties"]
    assert (code, printed) == (0, schema())
    assert printed["additionalProperties"] is False
    assert properties["rate"]["additionalProperties"] is False
    assert properties["rate"]["properties"]["requests"] == {"type": "integer", "default": 20}
    assert properties["session"] == {"enum": ["KRX", "ALWAYS_OPEN"], "default": "KRX"}
    assert properties["absent_policy"]["enum"] == ["AUTOMATIC", "STRICT"]
    assert properties["retry_waits_s"]["items"] == {"type": "number"}
    assert properties["signal_deadline_s"]["description"].startswith("An order not sent by then")
    assert properties["risk"]["properties"]["max_order_qty"]["default"] == "1000000"


def test_commands_that_speak_to_an_engine_read_dotenv_too(folder):
    (folder / ".env").write_text("ONCEFILL_STORE=elsewhere\n")

    assert store_in(None) == folder / "elsewhere" / "oncefill.db"
