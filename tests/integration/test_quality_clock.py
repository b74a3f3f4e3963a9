"""The clock tells the query service whose canaries are due, and what canaries cost is counted."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn
from pydantic import SecretStr
from sqlalchemy import text

from services.ingest_worker.quality_clock import QualityClock
from services.query_api.app import create_app
from shared.database.engine import Database
from shared.embeddings.build import Embedders
from shared.embeddings.spaces import OPENAI_SMALL
from shared.settings import QdrantSettings, Settings
from shared.settings_providers import OpenAISettings
from shared.settings_quality import QualitySettings
from shared.vectors.base import VectorStore
from shared.vectors.build import build_vector_store
from tests.support.provider import Provider, serving_provider
from tests.support.qdrant import start_qdrant
from tests.support.query_api import Corpus, bearer, query_settings, started_query_api

TEXTS = (
    "Tighten the wheel bolts crosswise to a torque of 120 Nm, and check them after 50 km.",
    "Error E-1042 means that the coolant pump runs dry. Refill the tank and start it again.",
    "Replace the air filter every 15,000 km or once a year, whichever comes first.",
)
