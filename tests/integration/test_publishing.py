"""Messages go on once the broker is back, whatever it was doing when it went."""

import time
from pathlib import Path

import redis

from citewell.embedded.parts import free_port
from citewell.embedded.settings import EmbeddedSettings
from citewell.embedded.valkey import find_valkey, valkey_part, valkey_url
from services.ingest_worker.dispatch import EMBED_MESSAGE
from services.ingest_worker.messages import PARSE_PARTS, PARSE_QUEUE, Message
from services.ingest_worker.publishing import build_publisher
from tests.integration.test_outside import publisher_settings
from tests.support.processes import running
from tests.support.valkey import PASSWORD

WORK = Message(PARSE_PARTS, PARSE_QUEUE, {"parts": []}, "nothing")


def arrives(client: redis.Redis) -> None:
    end = time.monotonic() + 20
    while not client.llen(PARSE_QUEUE):
        assert time.monotonic() < end, "nothing was sent"
        time.sleep(0.05)


def test_a_broker_that_comes_back_is_sent_to_again(tmp_path: Path) -> None:
    port = free_port()
    part = valkey_part(find_valkey(EmbeddedSettings()), tmp_path / "valkey", port, PASSWORD)
    url = valkey_url(port, PASSWORD)
    publisher = build_publisher(publisher_settings(url))
    client = redis.Redis.from_url(url)

    for _ in range(3):
        with running(part, tmp_path / "valkey.log"):
            client.flushall()
            publisher.publish([EMBED_MESSAGE])
            publisher.publish([WORK])
            arrives(client)
        # One that asks first how many wait, and one that is only sent.
        publisher.publish([EMBED_MESSAGE])
        publisher.publish([WORK])
    publisher.close()
    client.close()
