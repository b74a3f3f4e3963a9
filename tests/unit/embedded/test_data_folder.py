"""The data folder: one stack at a time, secrets made once, everything for the owner alone."""

import asyncio
import json
import stat
from pathlib import Path

import pytest

from citewell.embedded.data_folder import AlreadyRunning, DataFolder, Ready
from shared.errors import ConfigurationInvalid

READY = Ready("http://127.0.0.1:1", "cw_key", "http://127.0.0.1:2", "/logs", {"gateway": 7})


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_folder_is_the_owners_alone(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "a" / "b")
    assert mode_of(folder.path) == 0o700
    assert mode_of(folder.sub("logs")) == 0o700


def test_the_modes_of_a_folder_that_was_there_stay(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o750)
    assert mode_of(DataFolder(tmp_path / "mine").path) == 0o750


def test_secrets_are_made_once(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    first = folder.read_secrets()
    assert folder.read_secrets() == first
    assert first.api_key.startswith("cw_")
    assert len(first.api_key) >= 32
    assert len(first.auth_secret) >= 32
    assert mode_of(tmp_path / "secrets.json") == 0o600


def test_lost_secrets_of_existing_data_are_not_made_anew(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("18\n")
    with pytest.raises(ConfigurationInvalid, match=r"secrets\.json is gone"):
        DataFolder(tmp_path).read_secrets()


def test_ready_is_private_and_goes_away(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.write_ready(READY)
    assert mode_of(tmp_path / "ready.json") == 0o600
    assert json.loads((tmp_path / "ready.json").read_text())["pids"] == {"gateway": 7}
    folder.remove_ready()
    folder.remove_ready()
    assert not (tmp_path / "ready.json").exists()


async def test_ready_goes_away_with_its_writer(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "a 'quoted' name")
    async with folder.ready_ends_with_us({"PATH": "/bin"}):
        folder.write_ready(READY)
        await asyncio.sleep(0.1)
        assert (folder.path / "ready.json").exists()
    assert not (folder.path / "ready.json").exists()


def test_a_second_stack_is_told_who_has_the_folder(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with folder.locked(), pytest.raises(AlreadyRunning, match="already runs on"), folder.locked():
        pass
    with folder.locked():
        pass


def test_a_place_that_cannot_be_a_folder_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationInvalid, match="cannot be used"):
        DataFolder(tmp_path / "file")
