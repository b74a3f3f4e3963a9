"""Every setting of both services, read once and typed: one group for each outside thing.

A name is `CITEWELL_` + group + field, such as `CITEWELL_DATABASE_URL`; what the environment does
not say may stand in a file of that name in small letters (`shared.settings_group`).
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.errors import ConfigurationInvalid
from shared.settings_answers import AnswerSettings
from shared.settings_embedding import EmbeddingSettings
from shared.settings_group import Paths, SettingsGroup, group_config, split_at_commas
from shared.settings_mcp import McpSettings
from shared.settings_programs import PARSER_PROGRAMS
from shared.settings_providers import AnthropicSettings, OpenAISettings
from shared.settings_quality import QualitySettings
from shared.settings_rerank import RerankSettings
from shared.settings_trail import TrailSettings

MIB = 1024 * 1024

ProviderName = Literal["openai", "anthropic"]


class DatabaseSettings(SettingsGroup):
    """Postgres, the database of truth."""

    model_config = group_config("DATABASE")

    url: str = Field(
        description="Postgres URL for the services; may lead through a transaction pooler."
    )
    direct_url: str = Field(
        default="", description="Postgres URL for migrations, past any pooler; `url` when empty."
    )
    pool_size: int = Field(default=8, ge=1, description="Connections a process keeps open.")
    pool_overflow: int = Field(
        default=8, ge=0, description="Connections beyond `pool_size` under load."
    )
    pool_timeout_s: float = Field(
        default=1.5,
        gt=0,
        description="Longest wait for a free connection, and of a request for one that answers, seconds.",
    )
    connect_timeout_s: int = Field(
        default=2, ge=2, description="Longest wait for Postgres to accept, seconds."
    )
    recycle_s: int = Field(
        default=240,
        ge=1,
        description="Age at which a connection is renewed, seconds; below a serverless host's suspend time.",
    )

    @property
    def migration_url(self) -> str:
        """The URL migrations use."""
        return self.direct_url or self.url


class RedisSettings(SettingsGroup):
    """Redis or Valkey: Celery's transport, nothing else."""

    model_config = group_config("REDIS")

    url: str = Field(
        default="redis://127.0.0.1:6379/0", description="Broker URL; `rediss://` for TLS."
    )
    visibility_timeout_s: int = Field(
        default=3600,
        ge=60,
        description="Celery's redelivery time, above the hard time limit; nothing depends on it.",
    )


class QdrantSettings(SettingsGroup):
    """Qdrant, the vector store."""

    model_config = group_config("QDRANT")

    url: str = Field(default="http://127.0.0.1:6333", description="Qdrant's REST URL.")
    api_key: SecretStr | None = Field(
        default=None, description="Qdrant's API key, where it needs one."
    )
    timeout_s: float = Field(default=10.0, gt=0, description="Longest wait for one call, seconds.")


class BlobSettings(SettingsGroup):
    """Where uploaded bytes are kept."""

    model_config = group_config("BLOBS")

    url: str = Field(
        default="",
        description="`file:///folder` or `s3://bucket/prefix`; the ingest service does not start without it.",
    )
    s3_endpoint: str = Field(
        default="", description="Endpoint of an S3-compatible store other than AWS."
    )
    s3_region: str = Field(default="us-east-1", description="Region of the bucket.")
    s3_access_key_id: SecretStr | None = Field(default=None, description="S3 access key id.")
    s3_secret_access_key: SecretStr | None = Field(
        default=None, description="S3 secret access key."
    )
    min_free_bytes: int = Field(
        default=1024 * MIB,
        ge=0,
        description="Room a folder's disk keeps: an upload that would leave less is refused (507).",
    )


class AuthSettings(SettingsGroup):
    """Who may come in. Without a secret nothing starts."""

    model_config = group_config("AUTH")

    secret: SecretStr = Field(
        min_length=32,
        description="At least 32 characters: keys the hashes of API keys and verifies HS256 tokens.",
    )
    jwt_public_key: str = Field(
        default="", description="PEM public key that verifies RS256 tokens."
    )
    jwt_issuer: str = Field(default="", description="Required `iss` of tokens, if set.")
    jwt_audience: str = Field(default="citewell", description="Required `aud` of tokens.")
    bootstrap_key: SecretStr | None = Field(
        default=None,
        validation_alias="CITEWELL_BOOTSTRAP_KEY",
        min_length=32,
        description="A first admin key of tenant `default` for a fresh deployment.",
    )


class IngestSettings(SettingsGroup):
    """The upload door, the dispatcher and the workers."""

    model_config = group_config("INGEST")

    max_file_bytes: int = Field(default=200 * MIB, ge=1, description="Largest file accepted.")
    max_request_bytes: int = Field(
        default=1024 * MIB, ge=1, description="Largest upload request accepted."
    )
    max_files: int = Field(default=1000, ge=1, description="Most files in one upload request.")
    max_open_jobs: int = Field(
        default=1_000_000, ge=1, description="Open jobs of all tenants above which uploads are 503."
    )
    max_open_jobs_per_tenant: int = Field(
        default=200_000,
        ge=1,
        description="Open jobs of one tenant above which its uploads are 429.",
    )
    max_members: int = Field(
        default=10_000, ge=1, description="Most files one archive or mail may unpack to, in all."
    )
    max_archive_depth: int = Field(
        default=4, ge=1, description="How deep archives and mails may lie in each other."
    )
    unpack_timeout_s: float = Field(
        default=300.0, gt=0, description="Longest time for unpacking one file, seconds."
    )
    part_pages: int = Field(default=50, ge=1, description="Pages in one part.")
    part_timeout_s: float = Field(
        default=120.0, gt=0, description="Longest time for one part, seconds."
    )
    ocr: Literal["auto", "asked", "off"] = Field(
        default="auto",
        description="Pages that are pictures are read: `auto` always, `asked` where an upload's `ocr` option says so, `off` never.",
    )
    ocr_engine: Literal["auto", "tesseract", "rapidocr"] = Field(
        default="auto",
        description="What reads them; `auto`: Tesseract if it is among `CITEWELL_INGEST_PARSER_PROGRAMS`, else the package RapidOCR.",
    )
    ocr_language: str = Field(
        default="eng",
        max_length=64,
        description="What they are written in where an upload does not say: `eng`, `eng+deu`.",
    )
    chunk_timeout_s: float = Field(
        default=300.0, gt=0, description="Longest time for chunking one document, seconds."
    )
    parser_memory_bytes: int = Field(
        default=2048 * MIB, ge=256 * MIB, description="Most memory a parser process may take."
    )
    parser_recycle_bytes: int = Field(
        default=512 * MIB,
        ge=64 * MIB,
        description="Memory above which a parser process is renewed after its part.",
    )
    parser_recycle_parts: int = Field(
        default=5000, ge=1, description="Parts after which a parser process is renewed."
    )
    parser_isolation: Literal["none", "seccomp", "full"] = Field(
        default="seccomp",
        description="Least isolation of parser processes with which a parse worker starts: `full` (seccomp and Landlock), `seccomp` or `none`; they always get the best the kernel has.",
    )
    parser_programs: Paths = Field(
        default=PARSER_PROGRAMS,
        description="Programs that parser processes may start, under the same isolation (`full` only), separated by commas; those that do not exist are left out. Tesseract is looked for here alone, by the name `tesseract`.",
    )
    lease_s: float = Field(
        default=15.0, gt=0, description="A claim's lease, seconds; renewed at a third of it."
    )
    sweep_s: float = Field(default=5.0, gt=0, description="Seconds between sweeps.")
    dispatch_s: float = Field(
        default=2.0, gt=0, description="Seconds between dispatches when nothing else asks for one."
    )
    slots: int = Field(
        default=2,
        ge=1,
        description="Parse slots of all workers; four times as many messages are kept out.",
    )
    max_crashes: int = Field(
        default=3, ge=1, description="Parser deaths on one part before its job fails."
    )
    max_lost_leases: int = Field(
        default=10, ge=1, description="Lost leases of one part before its job fails."
    )
    max_streams: int = Field(
        default=500, ge=1, description="Most streams of events open at once in one process."
    )
    compare_at_start: bool = Field(
        default=False,
        description="Compare Qdrant with Postgres at the start and embed again what is missing.",
    )
    alive_file: Path | None = Field(
        default=None,
        description="A file that a worker or the clock touches while it lives, for health checks.",
    )
    job_deadline_s: float = Field(
        default=86_400.0, gt=0, description="Longest life of a job, seconds."
    )


class QuerySettings(SettingsGroup):
    """Search and answers."""

    model_config = group_config("QUERY")

    depth: int = Field(
        default=100, ge=10, description="Candidates fetched from each of dense and sparse."
    )
    temperature: float = Field(default=0.1, ge=0, le=1, description="Temperature of answers.")
    request_timeout_s: float = Field(
        default=30.0, gt=0, description="Budget of one question, seconds."
    )
    embed_timeout_s: float = Field(
        default=2.0,
        gt=0,
        description="Longest wait for a question's vector, seconds; later, words must do.",
    )
    store_timeout_s: float = Field(
        default=1.5,
        gt=0,
        description="Longest wait of a question for Qdrant, seconds; never longer than `CITEWELL_QDRANT_TIMEOUT_S`.",
    )
    vector_cache_bytes: int = Field(
        default=16 * MIB, ge=0, description="Questions' vectors a process remembers; 0 is none."
    )
    result_cache_bytes: int = Field(
        default=16 * MIB, ge=0, description="Searches' results a process remembers; 0 is none."
    )
    result_cache_s: float = Field(
        default=60.0,
        gt=0,
        description="Longest time a result is remembered, seconds; what changes in the collection ends it at once.",
    )
    providers: Annotated[tuple[ProviderName, ...], NoDecode] = Field(
        default=(),
        description="Providers in the order they are asked, such as `openai,anthropic`; empty: those that have a key, OpenAI first.",
    )

    @field_validator("providers", mode="before")
    @classmethod
    def _split_providers(cls, value: object) -> object:
        return split_at_commas(value.lower() if isinstance(value, str) else value)

    @field_validator("providers")
    @classmethod
    def _name_each_once(cls, value: tuple[ProviderName, ...]) -> tuple[ProviderName, ...]:
        if len(set(value)) < len(value):
            message = "a provider is named twice"
            raise ValueError(message)
        return value


class TelemetrySettings(SettingsGroup):
    """Logs and metrics."""

    model_config = group_config("LOG")

    level: str = Field(default="INFO", description="Least level logged.")
    json_lines: bool = Field(default=True, description="JSON lines; false for people.")


class Settings(BaseSettings):
    """Every group, read once when a process starts."""

    model_config = SettingsConfigDict(frozen=True)

    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    redis: RedisSettings = Field(default_factory=RedisSettings)
    qdrant: QdrantSettings = Field(default_factory=QdrantSettings)
    blobs: BlobSettings = Field(default_factory=BlobSettings)
    auth: AuthSettings = Field(default_factory=AuthSettings)
    openai: OpenAISettings = Field(default_factory=OpenAISettings)
    anthropic: AnthropicSettings = Field(default_factory=AnthropicSettings)
    embedding: EmbeddingSettings = Field(default_factory=EmbeddingSettings)
    ingest: IngestSettings = Field(default_factory=IngestSettings)
    query: QuerySettings = Field(default_factory=QuerySettings)
    answers: AnswerSettings = Field(default_factory=AnswerSettings)
    rerank: RerankSettings = Field(default_factory=RerankSettings)
    mcp: McpSettings = Field(default_factory=McpSettings)
    trail: TrailSettings = Field(default_factory=TrailSettings)
    quality: QualitySettings = Field(default_factory=QualitySettings)
    log: TelemetrySettings = Field(default_factory=TelemetrySettings)

    @property
    def late_write_s(self) -> float:
        """How long a paused worker may still write after its work was taken from it."""
        return self.ingest.lease_s + self.qdrant.timeout_s

    @model_validator(mode="after")
    def _leases_outlive_a_sweep(self) -> Self:
        if self.ingest.lease_s < self.ingest.sweep_s:
            message = "CITEWELL_INGEST_LEASE_S must not be shorter than CITEWELL_INGEST_SWEEP_S"
            raise ValueError(message)
        return self


def read_settings() -> Settings:
    """Read every setting from the environment.

    Raises:
        ConfigurationInvalid: a required setting is missing or one has a wrong value; the detail
            names the environment variables.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise ConfigurationInvalid(_explain(error)) from error


def _explain(error: ValidationError) -> str:
    groups = {group.__name__: group for group in SettingsGroup.__subclasses__()}
    group = groups.get(error.title)
    prefix = group.model_config.get("env_prefix", "") if group else "CITEWELL_"
    return "; ".join(
        f"{name if name.startswith('CITEWELL_') else prefix + name}: {item['msg']}"
        for item in error.errors()
        # An index into a list is no part of the variable's name.
        for name in ["_".join(part for part in item["loc"] if isinstance(part, str)).upper()]
    )
