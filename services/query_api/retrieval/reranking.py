"""The first hits of a search are read again, and put in the order that both readings give."""

from itertools import islice

from services.query_api.rerank.blending import blended, share
from services.query_api.rerank.reranker import Reranker
from services.query_api.retrieval.hits import Live, Order


async def reranked(reranker: Reranker, question: str, live: Live, order: Order) -> Order:
    """Return the order that the cross-encoder gives the first hits, as many as it could read.

    Whatever it has not read stays below, in its order; that is all of them where the model fails.
    """
    first = [one for one in islice(order.fused, reranker.candidates) if one in live.chunks]
    logits = await reranker.logits(question, [live.chunks[one].text for one in first])
    said = dict(zip(first, logits, strict=False))
    ids = blended(order.fused, said)
    return Order(
        fused={one: order.fused[one] for one in ids},
        rerank={one: share(logit) for one, logit in said.items()},
        complete=len(said) == len(first),
    )
