"""Messages over Celery: one background thread sends them, so that no request ever waits.

Publishing in Celery is synchronous and can block; here a broker that is down costs a log line,
and the dispatcher publishes the work again.
"""

import queue
import threading
from collections.abc import Sequence
from contextlib import suppress

import structlog
from celery import Celery
from kombu import Producer
from kombu.exceptions import ChannelError, KombuError, OperationalError
from kombu.transport.virtual import Channel

from services.ingest_worker.celery_settings import celery_settings
from services.ingest_worker.messages import Message
from shared.errors import Unavailable
from shared.settings import Settings

log = structlog.get_logger(__name__)

# Errors of the transport arrive as kombu's own or as the socket's.
BROKER_ERRORS = (KombuError, OperationalError, OSError)
CLOSE_S = 2.0


class CeleryPublisher:
    """Sends messages to Celery's queues from its own thread."""

    def __init__(self, app: Celery) -> None:
        """Start the thread; it connects with the first message."""
        self._app = app
        self._waiting: queue.SimpleQueue[Sequence[Message] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._send_all, name="publisher", daemon=True)
        self._thread.start()

    def publish(self, messages: Sequence[Message]) -> None:
        """Hand messages to the thread and return at once."""
        if messages:
            self._waiting.put(messages)

    def ping(self) -> None:
        """Return when the broker answers; blocks meanwhile.

        Raises:
            Unavailable: it does not; the detail says why, in words that may be shown to anyone.
        """
        try:
            with self._app.connection_for_write() as connection:
                # kombu's own `connect` sleeps two seconds before it says that it failed.
                connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
        except BROKER_ERRORS as error:
            raise Unavailable(_told(error)) from error

    def close(self) -> None:
        """Let the thread send what it has and stop it."""
        self._waiting.put(None)
        self._thread.join(CLOSE_S)

    def _send_all(self) -> None:
        while (messages := self._waiting.get()) is not None:
            try:
                self._send(messages)
            # Redis' client has errors of its own, and kombu trips over connections it closed
            # itself: whatever it is, the thread must live to send what comes next.
            except Exception as error:  # noqa: BLE001
                log.warning("publish_failed", messages=len(messages), error=repr(error))

    def _send(self, messages: Sequence[Message]) -> None:
        with self._app.producer_or_acquire() as producer:
            for message in messages:
                if message.once and _waiting(producer, message.queue):
                    continue
                self._app.send_task(
                    message.task,
                    kwargs=dict(message.arguments),
                    queue=message.queue,
                    producer=producer,
                    retry=False,
                    kwargsrepr=message.label,
                )


def build_publisher(settings: Settings) -> CeleryPublisher:
    """Build a publisher for a process that is no worker: it loads none of the tasks."""
    sender = Celery("citewell-sender")
    sender.conf.update(celery_settings(settings), imports=())
    return CeleryPublisher(sender)


def _told(error: Exception) -> str:
    said = str(error).upper()
    if "CERTIFICATE" in said or "SSL" in said:
        return "TLS to Redis fails: look at its certificate and the URL's `ssl_` options."
    if "AUTH" in said or "WRONGPASS" in said or "PASSWORD" in said:
        return "Redis refuses the user or the password in its URL."
    return "Redis does not answer."


def _waiting(producer: Producer, name: str) -> int:
    """Count the messages in a queue; one that is not there yet holds none."""
    channel = producer.channel
    if not isinstance(channel, Channel):
        return 0
    with suppress(ChannelError):
        return int(channel.queue_declare(queue=name, passive=True).message_count)
    return 0
