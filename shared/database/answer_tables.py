"""The tables of the trail: answers, what each rested on, what was said of it, what models took."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Double,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.database.columns import count, identifier, metadata, moment, tenant

answers = Table(
    "answers",
    metadata,
    # Begins with the moment it was asked (RFC 9562), so lists and pruning go by it.
    identifier(),
    tenant(),
    moment("asked_at", now=True),
    Column("asked_by", Text, nullable=False),
    # The name as it was asked for: the trail outlives the collection.
    Column("collection", Text, nullable=False),
    # generated, extractive, abstained, failed, left.
    Column("outcome", Text, nullable=False),
    Column("problem_code", Text),
    # Null unless such words are kept; the answer's are the documents' too, and go with them.
    Column("question", Text),
    Column("text", Text),
    Column("model", Text, nullable=False),
    Column("prompt_version", Text, nullable=False),
    Column("fallback", Text),
    # Why it abstained.
    Column("abstention", Text),
    # Sentences that state something, and those of them that a passage holds up.
    count("statements"),
    count("supported"),
    Column("confidence", Double, nullable=False),
    Column("best_score", Double),
    Column("degraded", ARRAY(Text), nullable=False),
    count("prompt_tokens"),
    count("completion_tokens"),
    # Null where the model has no price.
    Column("cost", Double),
    Column("timings", JSONB, nullable=False),
    Index("ix_answers_listing", "tenant_id", "id"),
)

answer_sources = Table(
    "answer_sources",
    metadata,
    Column("answer_id", Uuid, ForeignKey("answers.id", ondelete="CASCADE"), primary_key=True),
    Column("place", SmallInteger, primary_key=True),
    tenant(),
    # No foreign keys: which chunk it was is told after it is gone; an id says nothing of its words.
    *(Column(name, Uuid, nullable=False) for name in ("chunk_id", "document_id", "version_id")),
    Column("version", Integer, nullable=False),
    Column("page", Integer, nullable=False),
    Column("score", Double, nullable=False),
    Column("cited", Boolean, nullable=False),
    # What was quoted of it; null once its document is deleted.
    Column("quotes", ARRAY(Text)),
    Column("redacted", Boolean, nullable=False, server_default=text("false")),
    # Of what may still hold words alone: a deletion finds its own however many answers there are.
    Index("ix_answer_sources_words", "document_id", postgresql_where=text("NOT redacted")),
)

feedback = Table(
    "feedback",
    metadata,
    Column("answer_id", Uuid, ForeignKey("answers.id", ondelete="CASCADE"), primary_key=True),
    # The credential, as logs name it: each has one word on an answer.
    Column("given_by", Text, primary_key=True),
    tenant(),
    Column("rating", Text, nullable=False),
    Column("comment", Text),
    moment("given_at", now=True),
)

# What questions took of chat models; it outlives the answers.
chat_usage = Table(
    "chat_usage",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("model", Text, primary_key=True),
    *(
        Column(name, BigInteger, nullable=False)
        for name in ("answers", "prompt_tokens", "completion_tokens")
    ),
    Column("cost", Double, nullable=False),
    # Answers with tokens and no price: the cost is without them.
    Column("unpriced", BigInteger, nullable=False),
)
