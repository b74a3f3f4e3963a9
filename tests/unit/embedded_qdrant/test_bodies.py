"""Bodies: what is no JSON, or of another type than expected, is refused by name."""

from collections.abc import Callable
from uuid import UUID

import pytest

from citewell.embedded.qdrant.bodies import (
    as_count,
    as_list,
    as_object,
    as_text,
    only,
    parse,
    render,
)
from citewell.embedded.qdrant.refusals import BadInput


def test_an_empty_body_is_an_empty_object() -> None:
    assert parse(b"") == {}


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"1", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": "\xff"}', b"\x00"]
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(BadInput) as refused:
        parse(body)
    assert refused.value.message.startswith("Wrong input: ")


def test_answers_may_hold_uuids_and_no_constants_that_are_no_json() -> None:
    assert render({"id": UUID(int=1), "score": float("nan")}) == (
        b'{"id":"00000000-0000-0000-0000-000000000001","score":null}'
    )


@pytest.mark.parametrize(
    ("read", "wrong"), [(as_object, []), (as_list, {}), (as_text, 1), (as_list, None)]
)
def test_another_type_is_refused_by_the_fields_name(
    read: Callable[[object, str], object], wrong: object
) -> None:
    with pytest.raises(BadInput, match="limit: expected"):
        read(wrong, "limit")


@pytest.mark.parametrize("wrong", [-1, 1.5, "1", True])
def test_counts_are_unsigned_integers(wrong: object) -> None:
    with pytest.raises(BadInput, match="unsigned"):
        as_count(wrong, "limit", default=1)


def test_an_absent_count_is_the_default() -> None:
    assert (as_count(None, "limit", default=7), as_count(0, "limit", default=7)) == (7, 0)


def test_fields_the_server_does_not_act_on_are_refused_unless_null() -> None:
    only({"limit": 1, "lookup_from": None}, {"limit"}, "query")
    with pytest.raises(BadInput, match="`lookup_from` is not spoken"):
        only({"limit": 1, "lookup_from": {}}, {"limit"}, "query")
