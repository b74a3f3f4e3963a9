"""Where settings come from, and what is said of those that are wrong."""

from pathlib import Path

import pytest

from shared.errors import ConfigurationInvalid
from shared.settings import read_settings

SECRET = "a secret of at least thirty-two characters"  # noqa: S105


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CITEWELL_SECRETS_DIR", str(tmp_path))
    for name in ("CITEWELL_AUTH_SECRET", "CITEWELL_DATABASE_URL", "CITEWELL_BOOTSTRAP_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "citewell_auth_secret").write_text(SECRET + "\n")
    (tmp_path / "citewell_database_url").write_text("postgresql://of-the-file/x")
    return tmp_path


def test_secret_files_say_what_the_environment_does_not(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (secrets / "citewell_bootstrap_key").write_text("b" * 32)
    settings = read_settings()
    assert settings.auth.secret.get_secret_value() == SECRET
    assert settings.auth.bootstrap_key is not None
    assert settings.auth.bootstrap_key.get_secret_value() == "b" * 32
    assert settings.database.url == "postgresql://of-the-file/x"
    monkeypatch.setenv("CITEWELL_DATABASE_URL", "postgresql://of-the-environment/x")
    assert read_settings().database.url == "postgresql://of-the-environment/x"


def test_an_empty_variable_is_no_variable(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CITEWELL_AUTH_SECRET", "CITEWELL_INGEST_SLOTS", "CITEWELL_BOOTSTRAP_KEY"):
        monkeypatch.setenv(name, "")
    settings = read_settings()
    assert settings.auth.secret.get_secret_value() == SECRET
    assert settings.ingest.slots == 2
    assert settings.auth.bootstrap_key is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CITEWELL_BOOTSTRAP_KEY", "short"),
        ("CITEWELL_INGEST_SLOTS", "none"),
        ("CITEWELL_AUTH_SECRET", "short"),
    ],
)
def test_a_wrong_setting_is_named(
    secrets: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationInvalid, match=f"^{name}: "):
        read_settings()


def test_a_missing_setting_is_named(secrets: Path) -> None:
    (secrets / "citewell_auth_secret").unlink()
    with pytest.raises(ConfigurationInvalid, match=r"^CITEWELL_AUTH_SECRET: "):
        read_settings()
