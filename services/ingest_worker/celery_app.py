"""Celery's door: the app, its settings, and what each worker process sets up and takes down.

Redis carries messages and nothing else: results are ignored, messages hold ids, and a message
that comes twice or never is no harm.
"""

import signal
from typing import Any

from celery import Celery, signals

from services.ingest_worker.lifeline import die_with_parent
from services.ingest_worker.messages import CLEAN_UP, CLOCK_QUEUE
from services.ingest_worker.process import WorkerProcess
from services.ingest_worker.publishing import CeleryPublisher
from shared.settings import Settings, read_settings
from shared.telemetry.logs import set_up_logs

CLEAN_UP_EVERY_S = 3600.0


class CitewellCelery(Celery):
    """A Celery app that holds its process's one worker, made after the fork."""

    process: WorkerProcess | None = None


def celery_settings(settings: Settings) -> dict[str, Any]:
    """Return Celery's configuration (see docs/architecture.md, "How work moves")."""
    hard_limit_s = settings.ingest.part_timeout_s * 2
    return {
        "broker_url": settings.redis.url,
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": {
            "visibility_timeout": max(settings.redis.visibility_timeout_s, hard_limit_s + 60),
            # kombu's defaults bring a killed worker's message back after minutes.
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "socket_timeout": 5,
            "socket_connect_timeout": 1,
            "socket_keepalive": True,
        },
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_time_limit": hard_limit_s,
        "task_default_queue": CLOCK_QUEUE,
        "worker_prefetch_multiplier": 1,
        "worker_send_task_events": True,
        "task_send_sent_event": True,
        "worker_soft_shutdown_timeout": 4.0,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "beat_schedule": {CLEAN_UP: {"task": CLEAN_UP, "schedule": CLEAN_UP_EVERY_S}},
        "imports": ("services.ingest_worker.tasks",),
    }


def build_app() -> CitewellCelery:
    """Return the app; the environment is read when the configuration is first used."""
    app = CitewellCelery("citewell")
    app.add_defaults(lambda: celery_settings(read_settings()))
    return app


app = build_app()


@signals.worker_process_init.connect
def start_process(**_: Any) -> None:
    """Build the process's worker after the fork, so that no connection is shared."""
    settings = read_settings()
    set_up_logs(settings.log, service="ingest_worker")
    die_with_parent()
    app.process = WorkerProcess(settings, CeleryPublisher(app))
    # Celery resets this signal in its children; work given back at once need not expire.
    signal.signal(signal.SIGTERM, app.process.stop)


@signals.worker_process_shutdown.connect
def stop_process(**_: Any) -> None:
    """Close what `start_process` built."""
    if app.process is not None:
        app.process.close()
