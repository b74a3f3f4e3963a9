"""Claims written by hand, as models write: nearly all false ones are caught, nearly all true kept.

The share of denials that are caught is told in benchmarks/answers-2026-11.md; nothing holds it.
"""

from collections.abc import AsyncIterator

import pytest

from services.query_api.generation.verification.verifier import Verifier
from shared.embeddings.base import Embedder
from shared.embeddings.local import LocalEmbedder, local_folder
from shared.embeddings.spaces import LOCAL
from tests.support.claims import Written, written_claims

DROPPED = 0.05
CLAIMS = written_claims()


@pytest.fixture(params=["words", "words and meaning"])
async def embedder(request: pytest.FixtureRequest) -> AsyncIterator[Embedder | None]:
    if request.param == "words":
        yield None
        return
    local = LocalEmbedder(LOCAL, folder=local_folder, threads=1)
    yield local
    await local.aclose()


async def supported(claim: Written, embedder: Embedder | None) -> bool:
    return (await Verifier(claim.passages, embedder).check(claim.text, [claim.marked])).supported


@pytest.mark.parametrize("kind", ["number", "entity", "wrong passage", "unsupported"])
async def test_false_claims_are_caught(kind: str, embedder: Embedder | None) -> None:
    claims = [one for one in CLAIMS if one.kind == kind]
    kept = [one.text for one in claims if await supported(one, embedder)]
    assert len(claims) >= 50
    assert len(kept) <= 0.05 * len(claims), kept


async def test_true_claims_are_kept(embedder: Embedder | None) -> None:
    claims = [one for one in CLAIMS if one.kind == "true"]
    dropped = [one.text for one in claims if not await supported(one, embedder)]
    assert len(claims) >= 100
    assert len(dropped) <= DROPPED * len(claims), dropped
