"""What a space costs: the list price, unless a setting says otherwise."""

import pytest

from shared.embeddings.spaces import embedding_space, price_of

LARGE = "openai/text-embedding-3-large"


@pytest.mark.parametrize(
    ("name", "price"),
    [
        ("local/bge-small-en-v1.5", 0.0),
        ("openai/text-embedding-3-small", 0.02),
        (f"{LARGE}@1024", 0.13),
        (f"{LARGE}@256", 0.13),
        ("openai/of-ones-own@512", None),
        ("fake/bytes", None),
    ],
)
def test_the_list_price_goes_with_the_model(name: str, price: float | None) -> None:
    assert price_of(embedding_space(name), {}) == price


def test_a_price_that_is_set_wins_by_the_name_of_the_space() -> None:
    prices = {LARGE: 0.05}
    assert price_of(embedding_space(LARGE), prices) == 0.05
    assert price_of(embedding_space(f"{LARGE}@1024"), prices) == 0.13
