"""Filters: what the wire form means, and that nothing but `InvalidInput` comes of a wrong one."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInput
from shared.vectors.filters import (
    BUILT_IN,
    RESERVED,
    AllOf,
    AnyOf,
    Between,
    Equals,
    Field,
    NoneOf,
    OneOf,
    Present,
    parse_filters,
    parse_time,
)
from shared.vectors.memory import matches

YEAR = Field(("attributes", "year"))
AUTHOR = Field(("attributes", "author"))

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates().map(str)
)
json_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["any", "all", "not", "eq", "ne", "in", "nin", "gt", "lte", "exists", "page", "a"]
            )
            | st.text(max_size=4),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)
payloads = st.fixed_dictionaries(
    {
        "attributes": st.dictionaries(st.sampled_from("abc"), scalars | st.lists(scalars)),
        "page": st.lists(st.integers(1, 9)),
        "filename": st.text(max_size=3),
    }
)
tests = st.dictionaries(
    st.sampled_from("abc"),
    st.one_of(
        st.booleans(),
        st.integers(-9, 9),
        st.text(max_size=3),
        st.builds(lambda low: {"gte": low}, st.integers(-9, 9)),
        st.builds(lambda there: {"exists": there}, st.booleans()),
    ),
    max_size=3,
)


def test_a_bare_value_means_equal() -> None:
    assert parse_filters({"author": "Ann"}) == parse_filters({"author": {"eq": "Ann"}})
    assert parse_filters({"author": "Ann"}) == AllOf((AllOf((Equals(AUTHOR, "Ann"),)),))


def test_numbers_are_compared_by_value() -> None:
    both = AllOf((AllOf((Between(YEAR, gte=2020, lte=2020),)),))
    assert parse_filters({"year": 2020}) == parse_filters({"year": 2020.0}) == both
    assert parse_filters({"year": 2**60}) == AllOf((AllOf((Equals(YEAR, 2**60),)),))


def test_bounds_of_one_field_are_one_condition() -> None:
    found = parse_filters({"year": {"lt": 2024, "gte": 2020}})
    assert found == AllOf((AllOf((Between(YEAR, gte=2020, lt=2024),)),))


def test_strings_to_choose_from_are_one_condition() -> None:
    assert parse_filters({"author": {"in": ["a", "b"]}}) == AllOf(
        (AllOf((OneOf(AUTHOR, ("a", "b")),)),)
    )
    mixed = parse_filters({"author": {"in": ["a", True]}})
    assert mixed == AllOf((AllOf((AnyOf((Equals(AUTHOR, "a"), Equals(AUTHOR, True))),)),))


def test_absence_is_the_opposite_of_presence() -> None:
    assert parse_filters({"author": {"exists": False}}) == AllOf(
        (AllOf((NoneOf((Present(AUTHOR),)),)),)
    )


def test_built_in_fields_are_no_attributes() -> None:
    for name, field in BUILT_IN.items():
        assert parse_filters({name: {"exists": True}}) == AllOf((AllOf((Present(field),)),))
        assert field.path == (name,)
    assert {"any", "all", "not", *BUILT_IN} == RESERVED


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ({"year": {"above": 3}}, "use eq, ne, in, nin, exists, gt, gte, lt, lte"),
        ({"author": None}, "compared with a string, number or boolean, not None"),
        ({"page": "3"}, "compared with a number, not '3'"),
        ({"created_at": "soon"}, "compared with an ISO 8601 date or time"),
        ({"document_id": "x"}, "compared with a UUID"),
        ({"year": {"gte": 1, "lt": "2026-01-01"}}, "bounds of two types"),
        ({"author": {"in": []}}, "need a list of one or more values"),
        ({"any": []}, "needs a list of one or more filters"),
        ({"not": 5}, "expected an object, not 5"),
        ({"author": {}}, "has no operator"),
        ({"author": "x" * 5, "not": "y" * 200}, "..."),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(filters: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_filters(filters)
    assert told in refused.value.detail
    assert len(refused.value.detail) < 200


@given(json_values)
def test_any_json_is_read_or_refused_as_invalid(value: Any) -> None:
    try:
        condition = parse_filters(value)
    except InvalidInput:
        return
    assert matches(condition, {"attributes": {}}) in (True, False)


@given(tests, payloads)
def test_not_is_the_opposite(filters: dict[str, Any], payload: dict[str, Any]) -> None:
    plain, negated = parse_filters(filters), parse_filters({"not": filters})
    assert matches(plain, payload) is not matches(negated, payload)


@given(tests, tests, payloads)
def test_any_and_all_are_what_their_parts_are(
    one: dict[str, Any], other: dict[str, Any], payload: dict[str, Any]
) -> None:
    parts = [matches(parse_filters(part), payload) for part in (one, other)]
    assert matches(parse_filters({"any": [one, other]}), payload) is any(parts)
    assert matches(parse_filters({"all": [one, other]}), payload) is all(parts)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-05-01", datetime(2026, 5, 1, tzinfo=UTC)),
        ("2026-05-01T10:30", datetime(2026, 5, 1, 10, 30, tzinfo=UTC)),
        ("2026-05-01 10:30:05Z", datetime(2026, 5, 1, 10, 30, 5, tzinfo=UTC)),
        ("2026-05-01T10:30:05.25+02:00", datetime(2026, 5, 1, 8, 30, 5, 250_000, tzinfo=UTC)),
        ("2026-13-01", None),
        ("20260501", None),
        ("2026-W18-5", None),
        ("tomorrow", None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_times(text: str, moment: datetime | None) -> None:
    assert parse_time(text) == moment


TYPES = {"author": "string", "year": "number", "signed": "boolean"}


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ({"year": "2020"}, "`year` is compared with a number, not '2020'"),
        ({"year": True}, "`year` is compared with a number, not True"),
        ({"year": {"gte": "2020-01-01"}}, "`year` is compared with a number"),
        ({"year": {"in": [2020, "x"]}}, "`year` is compared with a number, not 'x'"),
        ({"author": 3}, "`author` is compared with a string"),
        ({"author": {"gt": "Ann"}}, "`gt` of `author` needs an ISO 8601 date or time, not 'Ann'"),
        ({"author": {"gt": 3}}, "`gt` of `author` needs an ISO 8601 date or time, not 3"),
        ({"signed": 1}, "`signed` is compared with true or false, not 1"),
        ({"signed": {"gt": True}}, "`signed` has no order, so no `gt`"),
        ({"not": {"any": [{"year": "x"}]}}, "`year` is compared with a number, not 'x'"),
        ({"year": {"near": 1}}, "`year` has the unknown operator `near`"),
    ],
)
def test_what_could_never_match_by_the_collections_types_is_refused_by_name(
    filters: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_filters(filters, TYPES)
    assert told in refused.value.detail


@pytest.mark.parametrize(
    "filters",
    [
        {"year": 2020, "author": "Ann", "signed": False},
        {"year": {"gte": 2020, "lt": 2021.5}},
        {"author": {"gte": "2026-01-01"}},
        {"author": {"in": ["Ann"]}, "year": {"exists": False}},
        {"unknown": 1, "page": 3},
    ],
)
def test_what_fits_the_collections_types_means_the_same_as_without_them(
    filters: dict[str, Any],
) -> None:
    for attributes in ({"year": 2020, "author": "2026-02-01"}, {"author": "Ann", "unknown": 1}):
        payload = {"attributes": attributes, "page": [3]}
        plain, typed = parse_filters(filters), parse_filters(filters, TYPES)
        assert matches(typed, payload) == matches(plain, payload)
