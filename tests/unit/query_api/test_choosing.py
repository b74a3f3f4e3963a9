"""Which hits are shown, by hand and for any ranking."""

from collections import Counter
from collections.abc import Iterator, Sequence
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.query_api.retrieval.choosing import MOST_COPIES, choose
from services.query_api.retrieval.hits import Hit, SearchQuery
from tests.unit.query_api.hits import make_hit

RANKINGS = st.lists(st.tuples(st.integers(1, 4), st.sampled_from("abcd")), max_size=30)


def hits_of(ranking: Sequence[tuple[int, str]]) -> list[Hit]:
    """Return a hit for each (document, text)."""
    return [
        make_hit(text, document_id=UUID(int=at), version_id=UUID(int=at)) for at, text in ranking
    ]


def query(limit: int = 10, *, distinct: bool = False, share: int | None = None) -> SearchQuery:
    return SearchQuery("acme", "x", limit=limit, distinct=distinct, max_per_document=share)


def taken(ranked: Sequence[Hit], asked: SearchQuery) -> int:
    """Count how many of the ranking are looked at."""
    seen = []

    def tell() -> Iterator[Hit]:
        for hit in ranked:
            seen.append(hit)
            yield hit

    choose(tell(), asked)
    return len(seen)


def test_without_a_wish_the_first_are_shown_and_no_more_are_looked_at() -> None:
    ranked = hits_of([(1, "a"), (1, "a"), (2, "b")])
    chosen = choose(ranked, query(2))
    assert list(chosen.hits) == ranked[:2]
    assert chosen.hits[0].duplicates is None
    assert taken(ranked, query(2)) == 2
    assert taken(ranked, query(1, share=1)) == 1


def test_a_copy_is_named_in_the_better_hit_and_the_next_one_moves_up() -> None:
    ranked = hits_of([(1, "a"), (2, "b"), (3, "a"), (4, "c")])
    chosen = choose(ranked, query(3, distinct=True))
    assert [hit.chunk for hit in chosen.hits] == [ranked[at].chunk for at in (0, 1, 3)]
    assert [hit.duplicates for hit in chosen.hits] == [(ranked[2].chunk,), (), ()]
    assert chosen.weighed == 4


def test_copies_behind_the_last_hit_are_named_up_to_the_first_that_is_none() -> None:
    ranked = hits_of([(1, "a"), (2, "a"), (3, "a"), (4, "b"), (5, "a")])
    [hit] = choose(ranked, query(1, distinct=True)).hits
    assert hit.duplicates == (ranked[1].chunk, ranked[2].chunk)
    assert taken(ranked, query(1, distinct=True)) == 4


def test_a_text_that_stands_everywhere_names_some_of_its_copies() -> None:
    [hit] = choose(hits_of([(at, "a") for at in range(200)]), query(distinct=True)).hits
    assert hit.duplicates is not None
    assert len(hit.duplicates) == MOST_COPIES


def test_beyond_a_documents_share_the_next_fill_up() -> None:
    ranked = hits_of([(1, "a"), (1, "b"), (1, "c"), (2, "d"), (3, "e")])
    chosen = choose(ranked, query(3, share=2))
    assert list(chosen.hits) == [ranked[0], ranked[1], ranked[3]]
    assert chosen.full == {UUID(int=1)}


def test_a_hit_that_its_document_had_no_room_for_hides_no_copy_in_another() -> None:
    ranked = hits_of([(1, "a"), (1, "b"), (2, "b")])
    chosen = choose(ranked, query(distinct=True, share=1))
    assert [hit.chunk for hit in chosen.hits] == [ranked[0].chunk, ranked[2].chunk]


WISHES = st.builds(
    query, st.integers(1, 10), distinct=st.booleans(), share=st.none() | st.integers(1, 3)
)


@given(RANKINGS, WISHES)
def test_any_choice_keeps_the_order_the_limit_the_share_and_every_text(
    ranking: list[tuple[int, str]], asked: SearchQuery
) -> None:
    ranked = hits_of(ranking)
    limit, distinct, share = asked.limit, asked.distinct, asked.max_per_document
    chosen = choose(ranked, asked).hits
    places = [next(at for at, one in enumerate(ranked) if one.chunk == hit.chunk) for hit in chosen]
    assert places == sorted(places)
    assert len(chosen) <= limit
    shown = [hit.chunk.text for hit in chosen]
    assert not distinct or len(shown) == len(set(shown))
    documents = Counter(hit.chunk.document_id for hit in chosen)
    assert share is None or all(count <= share for count in documents.values())
    if distinct and share is None and len(chosen) < limit:
        assert set(shown) == {text for _, text in ranking}
