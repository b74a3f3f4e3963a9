"""The plain fields of an upload, validated: what is to be done with its files."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from pydantic import ValidationError

from services.ingest_worker.attributes import checked_attributes
from shared.database.collections import DEFAULT_COLLECTION
from shared.errors import InvalidInput
from shared.models import ParseOptions

MAX_PASSWORD_LENGTH = 1024
MAX_LANGUAGE_LENGTH = 64


class OnDuplicate(StrEnum):
    """What an upload does where its collection has a document of that name."""

    REPLACE = "replace"
    SKIP = "skip"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class UploadForm:
    """What a request asks for; `attributes` is None where it says nothing of them."""

    collection: str = DEFAULT_COLLECTION
    attributes: Mapping[str, Any] | None = None
    on_duplicate: OnDuplicate = OnDuplicate.REPLACE
    options: ParseOptions = field(default_factory=ParseOptions)
    password: str | None = None

    @property
    def stored_options(self) -> dict[str, Any]:
        """What a version keeps of them; the password is for its parser alone."""
        secret = {"password": self.password} if self.password else {}
        return self.options.model_dump() | secret


def read_form(fields: Mapping[str, str]) -> UploadForm:
    """Return the form of these fields.

    Raises:
        InvalidInput: a field is not known or not valid; the detail names it.
    """
    unknown = sorted(set(fields) - set(_READERS))
    if unknown:
        raise InvalidInput(f"{unknown[0]}: there is no such field; known are {_KNOWN}.")
    return UploadForm(**{name: _READERS[name](value) for name, value in fields.items()})


def read_attributes(text: str) -> dict[str, Any]:
    """Return attributes from their JSON.

    Raises:
        InvalidInput: not a JSON object, or one that may not be stored.
    """
    return checked_attributes(_json_object("attributes", text))


def _read_collection(text: str) -> str:
    return text or DEFAULT_COLLECTION


def _read_on_duplicate(text: str) -> OnDuplicate:
    try:
        return OnDuplicate(text)
    except ValueError:
        raise InvalidInput(f"on_duplicate: one of {', '.join(OnDuplicate)}.") from None


def _read_options(text: str) -> ParseOptions:
    try:
        options = ParseOptions.model_validate(_json_object("options", text), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, ("options", *first["loc"])))
        raise InvalidInput(f"{place}: {first['msg']}") from error
    return checked_options(options)


def checked_options(options: ParseOptions) -> ParseOptions:
    """Return options whose language can be stored and looked up.

    Raises:
        InvalidInput: the language is not a short printable ASCII code.
    """
    language = options.language
    if language is not None and not (
        0 < len(language) <= MAX_LANGUAGE_LENGTH and language.isascii() and language.isprintable()
    ):
        raise InvalidInput("options.language: a code such as `en` or `eng+deu`.")
    return options


def _read_password(text: str) -> str | None:
    if len(text) > MAX_PASSWORD_LENGTH:
        raise InvalidInput(f"password: at most {MAX_PASSWORD_LENGTH} characters.")
    return text or None


def _json_object(name: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{name}: not valid JSON.") from error
    if not isinstance(value, dict):
        raise InvalidInput(f"{name}: a JSON object, such as {{}}.")
    return value


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "collection": _read_collection,
    "attributes": read_attributes,
    "on_duplicate": _read_on_duplicate,
    "options": _read_options,
    "password": _read_password,
}
_KNOWN = ", ".join(["file", *_READERS])
