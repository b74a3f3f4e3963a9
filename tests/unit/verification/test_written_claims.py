"""Claims written by hand, as models write: nearly all false ones are caught, nearly all true kept.

The share of denials that are caught is told in benchmarks/answers-2026-11.md; nothing holds it.
"""

import pytest

from services.query_api.generation.verification.verifier import Verifier
from tests.support.claims import Written, written_claims

CAUGHT = 0.94
DROPPED = 0.05
CLAIMS = written_claims()


async def supported(claim: Written) -> bool:
    return (await Verifier(claim.passages).check(claim.text, [claim.marked])).supported


@pytest.mark.parametrize("kind", ["number", "entity", "wrong passage", "unsupported"])
async def test_false_claims_are_caught(kind: str) -> None:
    claims = [one for one in CLAIMS if one.kind == kind]
    kept = [one.text for one in claims if await supported(one)]
    assert len(claims) >= 50
    assert len(kept) <= (1 - CAUGHT) * len(claims), kept


async def test_true_claims_are_kept() -> None:
    claims = [one for one in CLAIMS if one.kind == "true"]
    dropped = [one.text for one in claims if not await supported(one)]
    assert len(claims) >= 100
    assert len(dropped) <= DROPPED * len(claims), dropped
