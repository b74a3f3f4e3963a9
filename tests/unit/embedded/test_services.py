"""The services' surroundings and command lines."""

import socket
from pathlib import Path

import pytest

from citewell.embedded.data_folder import DataFolder, Secrets
from citewell.embedded.servers import Ports, ServerParts
from citewell.embedded.services import (
    beat_part,
    flower_part,
    flower_url,
    gateway_part,
    service_environment,
    worker_parts,
)

BROKER = {"CITEWELL_REDIS_URL": "redis://127.0.0.1:1"}
PASSWORD = "a-password"  # noqa: S105 - nobody's
GIVEN = {
    "CITEWELL_DATABASE_URL": "postgresql://elsewhere/db",
    "CITEWELL_REDIS_URL": "rediss://elsewhere",
    "CITEWELL_QDRANT_URL": "https://elsewhere",
}


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "data")


def environment_of(folder: DataFolder, inherited: dict[str, str]) -> dict[str, str]:
    return service_environment(inherited, folder, Secrets.new(), {"CITEWELL_REDIS_URL": "r"}, 3)


def test_what_was_set_by_hand_wins(folder: DataFolder) -> None:
    by_hand = {"CITEWELL_OPENAI_API_KEY": "sk", "CITEWELL_BLOBS_URL": "s3://b", "PATH": "/bin"}
    environment = environment_of(folder, by_hand)
    assert environment.items() >= by_hand.items()
    assert environment["CITEWELL_REDIS_URL"] == "r"
    assert environment["CITEWELL_INGEST_SLOTS"] == "3"


def test_without_a_word_everything_has_its_place(folder: DataFolder) -> None:
    environment = environment_of(folder, {})
    assert environment["CITEWELL_BLOBS_URL"] == (folder.path / "blobs").as_uri()
    assert len(environment["CITEWELL_AUTH_SECRET"]) >= 32
    assert environment["OMP_NUM_THREADS"] == "1"


def test_servers_that_were_given_are_not_started(folder: DataFolder) -> None:
    servers = ServerParts(folder, Secrets.new(), GIVEN)
    assert servers.build(Ports()) == GIVEN
    assert servers.parts == []


def test_each_server_is_replaced_on_its_own(folder: DataFolder) -> None:
    database = {"CITEWELL_DATABASE_URL": "postgresql://elsewhere/db"}
    servers = ServerParts(folder, Secrets.new(), database)
    settings = servers.build(Ports(valkey=7001, qdrant=7002))
    assert [part.name for part in servers.parts] == ["valkey", "qdrant"]
    assert settings["CITEWELL_DATABASE_URL"] == "postgresql://elsewhere/db"
    assert "CITEWELL_DATABASE_DIRECT_URL" not in settings
    assert settings["CITEWELL_REDIS_URL"].endswith("@127.0.0.1:7001/0")
    assert settings["CITEWELL_QDRANT_URL"] == "http://127.0.0.1:7002"


def test_the_door_is_handed_to_the_gateway(folder: DataFolder) -> None:
    with socket.socket() as door:
        part = gateway_part(folder, {}, door)
        assert part.pass_fds == (door.fileno(),)
        assert part.command[-2:] == ("--fd", str(door.fileno()))


def test_workers_have_their_queues_and_stand_back(folder: DataFolder) -> None:
    parse, embed = worker_parts(folder, {}, 3)
    assert " ".join(parse.command).endswith(" -Q parse --pool prefork -c 3 -n parse@%h")
    assert " ".join(embed.command).endswith(" -Q embed,clock --pool prefork -c 1 -n embed@%h")
    assert parse.niceness == embed.niceness > 0


def test_flower_has_a_password_only_its_environment_knows(folder: DataFolder) -> None:
    part = flower_part(folder, BROKER, port=7003, password=PASSWORD)
    assert part.environment["FLOWER_BASIC_AUTH"] == f"citewell:{PASSWORD}"
    assert not any(PASSWORD in word for word in part.command)
    assert flower_url(7003, PASSWORD) == f"http://citewell:{PASSWORD}@127.0.0.1:7003/"


async def test_parts_with_state_make_its_folder_anew(folder: DataFolder) -> None:
    for part in (beat_part(folder, {}), flower_part(folder, BROKER, port=7003, password=PASSWORD)):
        (state,) = part.disposable
        state.rmdir()
        part.before_start()
        assert state.is_dir()
    with pytest.raises(ConnectionError):
        await part.ready()
