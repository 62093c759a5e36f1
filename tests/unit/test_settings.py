"""What settings keep to themselves, whatever they were read from."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from core.complaints import complaint
from core.setting_values import OF_A_PROCESS, values_by_name
from core.settings import GrokMode, Settings, exposed_secrets, ignored_names


def made(**given: Any) -> Settings:
    """Settings of this process: what is given, and no file."""
    return Settings(_env_file=None, **given)  # type: ignore[call-arg]  # pydantic-settings takes it


def test_a_key_is_not_shown() -> None:
    settings = made(grok_api_key="hunter2", database_url="postgresql://me:hunter2@db/x")

    assert "hunter2" not in repr(settings.grok_api_key)
    assert "hunter2" not in str(settings.url)


def test_settings_cannot_be_changed_once_read() -> None:
    settings = made()

    with pytest.raises(ValidationError):
        settings.grok_mode = GrokMode.REAL


def test_a_complaint_does_not_repeat_the_value() -> None:
    with pytest.raises(ValidationError) as caught:
        made(port="hunter2", grok_base_url="hunter2", grok_mode="hunter2")

    assert "hunter2" not in complaint(caught.value)


@pytest.mark.parametrize("bad", ["a b", "plan,pl?n", "a,b,c,d,e,f"])
def test_a_bad_key_of_metadata_is_refused_in_plain_words(monkeypatch: pytest.MonkeyPatch, bad: str) -> None:
    monkeypatch.setenv("METADATA_KEYS", bad)
    with pytest.raises(ValidationError) as caught:
        made()

    said = "METADATA_KEYS: must be up to five names of letters, digits, _ and -, separated by commas"
    assert complaint(caught.value) == said


def test_names_that_were_ignored_are_found_in_any_environment() -> None:
    assert list(ignored_names({"GROK_KEY": "a", "XAI_API_KEY": "b", "PORT": "1"})) == [
        ("XAI_API_KEY", "GROK_KEY")
    ]
    assert list(ignored_names({"GROK_KEY": "", "XAI_API_KEY": "b"})) == []


def test_origins_are_read_from_a_list_and_normalized(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", " HTTPS://App.example.com:443, http://localhost:3000,")

    assert made().cors_origins == ("https://app.example.com", "http://localhost:3000")


@pytest.mark.parametrize("bad", ["*", "app.example.com", "https://app.example.com/", "https://a b"])
def test_what_is_no_origin_is_refused_by_name(bad: str) -> None:
    with pytest.raises(ValidationError) as caught:
        made(cors_origins=f"https://app.example.com,{bad}")

    assert complaint(caught.value).startswith("CORS_ORIGINS: must be origins such as")


KEY = b64encode(bytes(32)).decode()


def test_a_key_of_encryption_is_not_shown_and_makes_a_ring() -> None:
    settings = made(data_encryption_key=KEY)

    assert KEY not in repr(settings)
    assert settings.key_ring is not None
    assert made().key_ring is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (" ", "has no key"),
        (",", "has no key"),
        ("hunter2", "is not base64"),
        (KEY[:-4], "32 bytes"),
        (f"{KEY},{KEY}", "twice"),
    ],
)
def test_a_bad_key_of_encryption_is_refused_by_its_name(value: str, reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        made(data_encryption_key=value)

    line = complaint(caught.value)
    assert line.startswith("DATA_ENCRYPTION_KEY: ")
    assert reason in line
    assert "hunter2" not in line


def test_a_key_of_encryption_may_be_in_a_file_that_others_may_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    monkeypatch.setenv("DATA_ENCRYPTION_KEY_FILE", str(file))

    file.chmod(0o600)
    assert made().key_ring is not None
    assert exposed_secrets() == []
    file.chmod(0o644)
    assert exposed_secrets() == ["DATA_ENCRYPTION_KEY_FILE"]
    file.write_text("")
    with pytest.raises(ValidationError) as empty:
        made()
    assert "names a file that is empty" in complaint(empty.value)
    monkeypatch.setenv("DATA_ENCRYPTION_KEY", KEY)
    with pytest.raises(ValidationError) as both:
        made()
    assert "is set as well" in complaint(both.value)


def test_a_replica_needs_postgresql_and_may_be_asked_for_as_a_standby() -> None:
    standby = "postgresql://me:hunter2@replica/x?target_session_attrs=standby"
    settings = made(database_url="postgresql://me@db/x", read_database_url=standby)

    assert settings.replica_url is not None
    assert settings.replica_url.drivername == "postgresql+asyncpg"
    assert "hunter2" not in repr(settings)
    with pytest.raises(ValidationError, match="READ_DATABASE_URL needs a DATABASE_URL of PostgreSQL"):
        made(database_url="sqlite:///x.db", read_database_url=standby)
    with pytest.raises(ValidationError, match="must be postgresql://"):
        made(database_url="postgresql://me@db/x", read_database_url="sqlite:///x.db")


@pytest.mark.parametrize(
    ("database_url", "listen_url", "reason"),
    [
        ("sqlite:///a.db", "postgresql://u:swordfish@host/db", "has no effect on SQLite"),
        ("postgresql://host/db", "sqlite:///swordfish.db", "must lead to PostgreSQL"),
        ("postgresql://host/db", "mysql://u:swordfish@host/db", "DATABASE_LISTEN_URL: must be"),
    ],
)
def test_where_to_listen_has_to_be_postgresql(database_url: str, listen_url: str, reason: str) -> None:
    with pytest.raises(ValidationError) as found:
        made(database_url=database_url, database_listen_url=listen_url)

    assert reason in complaint(found.value)
    assert "swordfish" not in complaint(found.value)


def test_where_to_listen_is_where_the_database_is_unless_it_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "listen_url"
    file.write_text("postgresql://direct/db\n")
    monkeypatch.setenv("DATABASE_URL", "postgresql://pooler/db")
    usual = made()
    monkeypatch.setenv("DATABASE_LISTEN_URL_FILE", str(file))
    given = made()

    assert (usual.listen_url.host, given.listen_url.host) == ("pooler", "direct")
    assert given.url.host == "pooler"


def test_settings_in_which_processes_differ_are_compared_only_where_there_is_one_process() -> None:
    of_a_process = {name.upper() for name in OF_A_PROCESS}

    assert of_a_process <= values_by_name(made()).keys()
    assert of_a_process.isdisjoint(values_by_name(made(database_url="postgresql://db/insights", role="api")))
