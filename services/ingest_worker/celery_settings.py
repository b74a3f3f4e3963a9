"""Celery's settings: late acknowledgement, ids only, nothing kept (docs/architecture.md)."""

from typing import Any

from services.ingest_worker.messages import CLEAN_UP, CLOCK_QUEUE, WATCH_QUALITY
from shared.settings import Settings

CLEAN_UP_EVERY_S = 3600.0


def celery_settings(settings: Settings) -> dict[str, Any]:
    """Return the configuration of the workers' app, and of whoever sends to it."""
    # A message may plan, parse, unpack and chunk one after the other, each within its own limit.
    ingest = settings.ingest
    hard_limit_s = ingest.part_timeout_s * 2 + ingest.unpack_timeout_s + ingest.chunk_timeout_s
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
        # Celery sleeps this long before its children are told to give back their work.
        "worker_soft_shutdown_timeout": 1.5,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "beat_scheduler": "services.ingest_worker.clock:Clock",
        "beat_max_loop_interval": 15,
        "beat_schedule": _schedule(settings),
        "imports": ("services.ingest_worker.tasks",),
    }


def _schedule(settings: Settings) -> dict[str, Any]:
    every_s = {CLEAN_UP: CLEAN_UP_EVERY_S}
    if settings.quality.url:
        every_s[WATCH_QUALITY] = settings.quality.every_s
    return {task: {"task": task, "schedule": seconds} for task, seconds in every_s.items()}
