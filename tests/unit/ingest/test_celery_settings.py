"""Celery is set up so that nothing is lost and nothing depends on it."""

from pathlib import Path

import pytest

from services.ingest_worker.celery_app import build_app
from services.ingest_worker.celery_settings import celery_settings
from shared.errors import ConfigurationInvalid
from shared.settings import Settings, read_settings

ENVIRONMENT = {
    "CITEWELL_DATABASE_URL": "postgresql://nobody@127.0.0.1/none",
    "CITEWELL_AUTH_SECRET": "s" * 32,
}


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CITEWELL_BLOBS_URL", tmp_path.as_uri())
    monkeypatch.setenv("CITEWELL_REDIS_VISIBILITY_TIMEOUT_S", "86400")
    return read_settings()


def test_messages_are_acknowledged_late_and_results_ignored(settings: Settings) -> None:
    celery = celery_settings(settings)
    assert celery["task_acks_late"]
    assert celery["task_reject_on_worker_lost"]
    assert celery["task_ignore_result"]
    assert celery["worker_prefetch_multiplier"] == 1


def test_redelivery_comes_after_the_hard_limit(settings: Settings) -> None:
    celery = celery_settings(settings)
    assert celery["broker_transport_options"]["visibility_timeout"] == 86400
    assert celery["task_time_limit"] > settings.ingest.part_timeout_s


def test_the_environment_is_read_only_when_the_app_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CITEWELL_AUTH_SECRET", raising=False)
    monkeypatch.delenv("CITEWELL_DATABASE_URL", raising=False)
    app = build_app()
    with pytest.raises(ConfigurationInvalid) as raised:
        _ = app.conf.broker_url
    assert "CITEWELL_DATABASE_URL" in raised.value.detail
