"""``.env``, the folder of secrets, and what must not be read by others."""

import pytest

from domain.errors import InvalidInputError
from infra.config import load_config, load_settings, named_store

OF_A_SERVER = "postgresql://me:hunter2@host/trade"


@pytest.fixture
def dotenv(tmp_path):
    """Return a function that reads a text as ``.env``."""

    def read(text, **environ):
        file = tmp_path / ".env"
        file.write_text(text)
        file.chmod(0o600)
        return load_config(None, environ, file)

    return read


@pytest.fixture
def secrets(tmp_path):
    """Return a function that makes a folder of secrets and gives the variable that names it."""

    def write(mode=0o600, **files):
        folder = tmp_path / "secrets"
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
            (folder / name).chmod(mode)
        return {"ONCEFILL_SECRETS": str(folder)}

    return write


@pytest.mark.parametrize(
    ("line", "account"),
    [
        ("ONCEFILL_ACCOUNT_ID=main", "main"),
        ("  export ONCEFILL_ACCOUNT_ID = main  # the first", "main"),
        ("ONCEFILL_ACCOUNT_ID='main'", "main"),
        ('ONCEFILL_ACCOUNT_ID="main"  # it', "main"),
        ('ONCEFILL_ACCOUNT_ID="ma#in"', "ma#in"),
        (r'ONCEFILL_ACCOUNT_ID="ma\"in"', 'ma"in'),
        ("ONCEFILL_ACCOUNT_ID=ma#in", "ma#in"),
        ("# ONCEFILL_ACCOUNT_ID=x\nDATABASE=y\n\nnonsense\nMY_ONCEFILL_X=1", "paper"),
    ],
)
def test_a_line_of_dotenv_is_read_as_shells_write_it(dotenv, line, account):
    assert dotenv(line).settings.account_id == account


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ONCEFILL_ACCOUNT_ID", "line 1: write NAME=VALUE"),
        ("\nONCEFILL_ACCOUNT_ID='main", "line 2: close the quotes"),
        ("ONCEFILL_STORE=a\nONCEFILL_STORE=b", "line 2: ONCEFILL_STORE is there twice"),
        ("ONCEFILL_RUNTIME=/run", "ONCEFILL_RUNTIME is read from the environment itself only"),
        ("ONCEFILL_RATE__REQUETS=5", "ONCEFILL_RATE__REQUETS: unknown setting; did you mean rate"),
        ("ONCEFILL_RATE__REQUESTS=many", "ONCEFILL_RATE__REQUESTS: give a whole number"),
    ],
)
def test_a_mistake_in_dotenv_is_named_by_its_line_or_variable(dotenv, text, said):
    with pytest.raises(InvalidInputError) as refused:
        dotenv(text)

    assert ".env" in str(refused.value)
    assert said in str(refused.value)


def test_without_dotenv_nothing_is_missing(tmp_path):
    assert load_config(None, {}, tmp_path / "none").given == {}


def test_each_source_wins_over_those_before_it(tmp_path, secrets):
    file, dotenv = tmp_path / "a.toml", tmp_path / ".env"
    file.write_text("[rate]\nrequests = 1\n[timing]\ncall_timeout_s = 1\n")
    dotenv.write_text("ONCEFILL_RATE__REQUESTS=3\nONCEFILL_MAX_UNSENT=3")
    environ = secrets(oncefill_rate__requests="2\n", ONCEFILL_TIMING__CALL_TIMEOUT_S="2", other="x")

    config = load_config(file, {**environ, "ONCEFILL_MAX_UNSENT": "4"}, dotenv)

    settings = config.settings
    assert (settings.rate.requests, settings.max_unsent) == (3, 4)
    assert settings.timing.call_timeout_s == 2
    assert config.given["max_unsent"].where == "ONCEFILL_MAX_UNSENT"
    assert config.given["rate.requests"].where == f"{dotenv}: ONCEFILL_RATE__REQUESTS"
    assert config.given["timing.call_timeout_s"].is_secret
    assert not config.given["rate.requests"].is_secret


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_secret_that_others_can_reach_is_refused(secrets, mode):
    environ = secrets(mode, oncefill_store="elsewhere")

    with pytest.raises(InvalidInputError, match=r"oncefill_store: holds a secret.*chmod 600"):
        load_settings(None, environ)


def test_a_file_with_a_password_that_others_can_read_is_refused(tmp_path):
    file = tmp_path / "a.toml"
    file.write_text(f'store = "{OF_A_SERVER}"')
    file.chmod(0o644)

    with pytest.raises(InvalidInputError, match="chmod 600") as refused:
        load_settings(file, {})
    file.chmod(0o600)

    assert "hunter2" not in str(refused.value)
    assert load_settings(file, {})[1] == OF_A_SERVER
    file.chmod(0o644)
    file.write_text('store = "postgresql://me@host/trade"')
    assert load_settings(file, {})[1] == "postgresql://me@host/trade"


def test_a_folder_of_secrets_that_is_not_there_is_said(tmp_path):
    with pytest.raises(InvalidInputError, match=r"ONCEFILL_SECRETS: .*none cannot be read"):
        load_settings(None, {"ONCEFILL_SECRETS": str(tmp_path / "none")})


def test_what_is_no_text_is_said(tmp_path):
    for name in (".env", "a.toml"):
        (tmp_path / name).write_bytes(b"\xff\xfe")

    with pytest.raises(InvalidInputError, match="is not UTF-8"):
        load_settings(None, {}, tmp_path / ".env")
    with pytest.raises(InvalidInputError, match="is not UTF-8"):
        load_settings(tmp_path / "a.toml", {})


def test_the_store_is_found_wherever_it_is_named(tmp_path, secrets):
    dotenv = tmp_path / ".env"
    environ = secrets(oncefill_store="secret")

    assert named_store({}, dotenv) is None
    assert named_store(environ, dotenv) == "secret"
    dotenv.write_text("ONCEFILL_STORE=mine")
    assert named_store(environ, dotenv) == "mine"
    assert named_store({"ONCEFILL_STORE": "this"}, dotenv) == "this"
