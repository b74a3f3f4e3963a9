"""The fields of an upload: each is known and valid, or named in the refusal."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest_worker.attributes import (
    MAX_ATTRIBUTES,
    check_types,
    checked_attributes,
    field_types,
)
from services.ingest_worker.uploads.form import OnDuplicate, UploadForm, read_form
from shared.errors import InvalidInput
from shared.models import ParseOptions


def test_nothing_said_means_the_defaults() -> None:
    assert read_form({}) == UploadForm(
        collection="default",
        attributes=None,
        on_duplicate=OnDuplicate.REPLACE,
        options=ParseOptions(),
        password=None,
    )


def test_every_field_is_read() -> None:
    form = read_form(
        {
            "collection": "papers",
            "attributes": '{"author": "x", "tags": ["a", "b"], "draft": false}',
            "on_duplicate": "skip",
            "options": '{"ocr": true, "language": "de"}',
            "password": "geheim",
        }
    )
    assert form.collection == "papers"
    assert form.attributes == {"author": "x", "tags": ["a", "b"], "draft": False}
    assert form.on_duplicate is OnDuplicate.SKIP
    assert form.options == ParseOptions(ocr=True, language="de")
    assert form.stored_options == {"ocr": True, "language": "de", "password": "geheim"}


def test_empty_fields_mean_the_defaults() -> None:
    form = read_form({"collection": "", "attributes": "", "options": " ", "password": ""})
    assert (form.collection, form.attributes, form.password) == ("default", {}, None)
    assert form.stored_options == {"ocr": None, "language": None}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("colour", "red"),
        ("on_duplicate", "ask"),
        ("attributes", "{"),
        ("attributes", "[1]"),
        ("attributes", '{"document_id": "x"}'),
        ("attributes", '{"page": 3}'),
        ("attributes", '{"": 1}'),
        ("attributes", json.dumps({"x" * 101: 1})),
        ("attributes", '{"a": NaN}'),
        ("attributes", '{"a": 1e999}'),
        ("attributes", '{"a": 99999999999999999999}'),
        ("attributes", '{"a": "\\u0000"}'),
        ("attributes", '{"a": "\\ud800"}'),
        ("attributes", '{"a": {"\\u0000": 1}}'),
        ("attributes", '{"a\\u0000": 1}'),
        ("attributes", '{"a": [[[[[[[1]]]]]]]}'),
        ("attributes", '{"a": ' + "[" * 100_000),
        ("attributes", '{"a": ' + "9" * 10_000 + "}"),
        ("attributes", json.dumps({str(n): n for n in range(MAX_ATTRIBUTES + 1)})),
        ("options", "[]"),
        ("options", '{"ocr": "yes"}'),
        ("options", '{"speed": 1}'),
        ("options", '{"language": "d\\u0000"}'),
        ("options", '{"language": ""}'),
        ("password", "x" * 1025),
    ],
)
def test_a_wrong_field_is_named(field: str, value: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_form({field: value})
    assert field in refused.value.detail


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("x", "string"),
        (True, "boolean"),
        (3, "number"),
        (2.5, "number"),
        (["a", "b"], "string"),
        ([1, "b"], None),
        ([], None),
        ({"a": 1}, None),
        (None, None),
    ],
)
def test_a_values_type(value: Any, kind: str | None) -> None:
    assert field_types({"x": value}).get("x") == kind


def test_the_first_type_of_a_name_holds() -> None:
    check_types({"year": 2020, "author": "x"}, {"year": "number"})
    with pytest.raises(InvalidInput, match=r"attributes\.year: a string, but it is a number"):
        check_types({"year": "2020"}, {"year": "number"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=20), JSON, max_size=5))
def test_what_is_let_through_can_be_stored_as_json(attributes: dict[str, Any]) -> None:
    try:
        checked = checked_attributes(attributes)
    except InvalidInput:
        return
    text = json.dumps(checked, allow_nan=False)
    assert "\\u0000" not in text
    json.dumps(checked, ensure_ascii=False).encode()
