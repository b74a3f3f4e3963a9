"""`citewell config`: every setting as a service started here would read it, and what is wrong."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args
from urllib.parse import urlsplit

import typer
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource, SecretsSettingsSource, SettingsError

from citewell.cli.failures import ExitCode, complain
from citewell.cli.options import AsJson
from citewell.cli.output import print_json, stderr, stdout, table
from citewell.embedded.settings import EmbeddedSettings
from shared.blobs.build import build_blob_store
from shared.embeddings.spaces import default_space
from shared.errors import CitewellError
from shared.settings import Settings, read_settings
from shared.settings_group import SECRETS_DIR, SettingsGroup, secrets_folder

_PREFIX = "CITEWELL_"
# Read by the command line, by the demo's and by tests' own rules; no service's setting.
_OTHERS = (SECRETS_DIR, "CITEWELL_URL", "CITEWELL_API_KEY", "CITEWELL_STACK", "CITEWELL_TEST_")
_MASK = "********"

app = typer.Typer(add_completion=False)


@dataclass(frozen=True, slots=True)
class Shown:
    """One setting; `value` is masked where it is secret, `wrong` is empty when it is fine."""

    name: str
    value: str
    source: str
    wrong: str = ""


@app.command()
def config(*, as_json: AsJson = False) -> None:
    """Show every setting with where it comes from, and say which ones are wrong.

    Exit code 2 when a service could not start with them. Secrets are masked.
    """
    shown = [one for group in _groups() for one in of_group(group)]
    wrong = [f"{one.name}: {one.wrong}" for one in shown if one.wrong] or _wrong_together()
    unknown = _unknown({one.name for one in shown})
    if as_json:
        print_json({"valid": not wrong, "wrong": wrong, "unknown": unknown, "settings": shown})
    else:
        rows = [(one.name, one.value, one.source, one.wrong) for one in shown]
        stdout().print(table(["setting", "value", "from", "wrong"], rows))
    for name in unknown:
        stderr().print(f"{name} is no setting: is it misspelt?", markup=False)
    for message in wrong:
        complain(message, "set it anew, then `citewell config`; `citewell up` sets all it needs")
    raise typer.Exit(ExitCode.WRONG_USAGE if wrong else ExitCode.DONE)


def _groups() -> list[type[SettingsGroup]]:
    kinds = [field.annotation for field in Settings.model_fields.values()]
    groups = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, SettingsGroup)]
    return [*groups, EmbeddedSettings]


def of_group(group: type[SettingsGroup]) -> Iterator[Shown]:
    """Read one group as it would be read, and tell of each of its settings."""
    given, built, wrong = _read(group)
    for name, field in group.model_fields.items():
        key = name if field.validation_alias is None else group.variable(name)
        source, raw = given.get(key, ("default", "" if field.is_required() else field.default))
        value = getattr(built, name) if built else raw
        said = wrong.pop(key, "")
        yield Shown(group.variable(name), _masked(value, field), source, said)
    for said in wrong.values():
        yield Shown(f"{group.model_config['env_prefix']}*", "", "environment", said)


def _read(
    group: type[SettingsGroup],
) -> tuple[Mapping[str, tuple[str, Any]], SettingsGroup | None, dict[str, str]]:
    """Return what is given and by whom, the group if it can be made, else what is wrong."""
    given: dict[str, tuple[str, Any]] = {}
    try:
        for source, values in _sources(group):
            given |= {name: (source, value) for name, value in values.items()}
        return given, group(), {}
    except ValidationError as error:
        return given, None, {_field(item["loc"]): item["msg"] for item in error.errors()}
    except SettingsError as error:
        return given, None, {"": str(error)}


def _sources(group: type[SettingsGroup]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield what each source gives, the one that wins last."""
    folder = secrets_folder()
    if folder is not None:
        yield f"file in {folder}", SecretsSettingsSource(group, folder)()
    yield "environment", EnvSettingsSource(group)()


def _field(place: tuple[int | str, ...]) -> str:
    return str(place[0]) if place else ""


def _wrong_together() -> list[str]:
    """Return what only shows when all groups are read, as the services do when they start."""
    try:
        settings = read_settings()
        build_blob_store(settings.blobs)
        default_space(settings)
    except CitewellError as error:
        return [error.detail]
    return []


def _masked(value: object, field: FieldInfo) -> str:
    if value is None or value == "":
        return ""
    if SecretStr in (field.annotation, *get_args(field.annotation)):
        return _MASK
    return _without_password(str(value))


def _without_password(text: str) -> str:
    try:
        password = urlsplit(text).password
    except ValueError:
        # No URL at all; it could still hold something secret.
        return _MASK if "@" in text else text
    return text.replace(f":{password}@", f":{_MASK}@", 1) if password else text


def _unknown(known: set[str]) -> list[str]:
    there = (name.upper() for name in EnvSettingsSource(Settings).env_vars)
    return sorted(
        name
        for name in there
        if name.startswith(_PREFIX) and name not in known and not name.startswith(_OTHERS)
    )
