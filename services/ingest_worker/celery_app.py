"""Celery's door: the app, its settings, and what each worker process sets up and takes down.

Redis carries messages and nothing else: results are ignored, messages hold ids, and a message
that comes twice or never is no harm.
"""

import os
import signal
from functools import cache
from pathlib import Path
from typing import Any

import structlog
from celery import Celery, signals

from services.ingest_worker.celery_settings import celery_settings
from services.ingest_worker.lifeline import die_with_parent, touch
from services.ingest_worker.messages import PARSE_QUEUE
from services.ingest_worker.parsing.ocr.told import tell_ocr_engine
from services.ingest_worker.parsing.sandbox.required import require_isolation
from services.ingest_worker.process import WorkerProcess
from services.ingest_worker.publishing import CeleryPublisher
from shared.errors import ConfigurationInvalid
from shared.settings import read_settings
from shared.telemetry.logs import set_up_logs

SERVICE = "ingest_worker"

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class CitewellCelery(Celery):
    """A Celery app that holds its process's one worker, made after the fork."""

    process: WorkerProcess | None = None


def build_app() -> CitewellCelery:
    """Return the app; the environment is read when the configuration is first used."""
    app = CitewellCelery("citewell")
    app.add_defaults(lambda: celery_settings(read_settings()))
    return app


app = build_app()


@signals.heartbeat_sent.connect
def show_life(**_: Any) -> None:
    """Touch the file that a health check looks at; Celery's main process does so while it beats."""
    touch(_alive_file())


@cache
def _alive_file() -> Path | None:
    return read_settings().ingest.alive_file


@signals.celeryd_after_setup.connect
def require_cells(**_: Any) -> None:
    """Refuse to parse where parser processes cannot be isolated as the settings ask.

    Where they can, say what will read pictures.

    Raises:
        SystemExit: they cannot; any other error Celery would only log.
    """
    if PARSE_QUEUE not in app.amqp.queues.consume_from:
        return
    settings = read_settings()
    set_up_logs(settings.log, service=SERVICE)
    try:
        require_isolation(settings.ingest.parser_isolation)
    except ConfigurationInvalid as error:
        log.critical("not_started", detail=error.detail)
        raise SystemExit(os.EX_CONFIG) from error
    tell_ocr_engine(settings.ingest)


@signals.worker_process_init.connect
def start_process(**_: Any) -> None:
    """Build the process's worker after the fork, so that no connection is shared."""
    settings = read_settings()
    set_up_logs(settings.log, service=SERVICE)
    die_with_parent()
    app.process = WorkerProcess(settings, CeleryPublisher(app))
    if PARSE_QUEUE in app.amqp.queues.consume_from:
        app.process.warm_up()
    # Celery resets this signal in its children; work given back at once need not expire.
    signal.signal(signal.SIGTERM, app.process.stop)


@signals.worker_process_shutdown.connect
def stop_process(**_: Any) -> None:
    """Close what `start_process` built."""
    if app.process is not None:
        app.process.close()
