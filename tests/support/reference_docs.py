"""Makes `docs/reference` from what it describes: `python -m tests.support.reference_docs`.

A test fails when a page no longer says what the code does, so nothing is left undocumented.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from prometheus_client import REGISTRY
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from citewell.cli.app import VERBS
from citewell.embedded.settings import EmbeddedSettings
from shared.errors import CitewellError
from shared.problems import STATUS
from shared.settings import Settings
from shared.settings_group import SettingsGroup
from tests.support.reference_http import APPS, INTRODUCTION, http_parts
from tests.support.tables import table

DOCS = Path(__file__).parents[2] / "docs"
MADE = "<!-- Made by `python -m tests.support.reference_docs`; do not edit by hand. -->"


def configuration() -> str:
    """Every setting, group by group, with its default and its description."""
    groups = [field.annotation for field in Settings.model_fields.values()]
    parts = [
        _title(
            "Configuration",
            "Every setting is an environment variable. Both services read all of them once, when"
            " they start. A setting that is not there, or empty, is looked for in a file of its"
            " name in small letters (`/run/secrets/citewell_auth_secret`), in `/run/secrets` or"
            " the folder that `CITEWELL_SECRETS_DIR` names; what is"
            " wrong or missing is named and nothing starts. `citewell up` sets the ones that have"
            " no default by itself.",
        )
    ]
    for group in [*groups, EmbeddedSettings]:
        assert isinstance(group, type)
        assert issubclass(group, SettingsGroup)
        rows = [
            (
                f"`{group.variable(name)}`",
                _default(field),
                field.description or "",
            )
            for name, field in group.model_fields.items()
        ]
        heading = (inspect.getdoc(group) or group.__name__).splitlines()[0].rstrip(".")
        parts.append(f"## {heading}\n\n{table('Variable', 'Default', 'Meaning', rows)}")
    return _page(parts)


def problems() -> str:
    """Every problem code, with what it means, who must act and what to do."""
    by_code: dict[str, list[type[CitewellError]]] = {}
    for error in _errors():
        by_code.setdefault(error.code, []).append(error)
    parts = [
        _title(
            "Problem codes",
            "Every failure is a problem as RFC 9457 describes it: the same object in an HTTP"
            " answer, in a failed job and in the command line. `code` never changes its meaning;"
            " `who` says who must act (`nobody`: it is tried again by itself).",
        )
    ]
    for code, errors in sorted(by_code.items()):
        rows = [
            (_first_line(one), str(STATUS[one.kind]), "yes" if one.retryable else "no", one.who)
            for one in errors
        ]
        hints = "\n".join(f"- {hint}" for hint in dict.fromkeys(one.hint for one in errors))
        heading = table("What happened", "Status", "Retry helps", "Who acts", rows)
        parts.append(f"## `{code}`\n\n{heading}\n\n{hints}")
    return _page(parts)


def http() -> str:
    """Every route of both services with its fields, from their OpenAPI documents."""
    return _page([_title("HTTP reference", INTRODUCTION), *http_parts()])


def cli() -> str:
    """Every verb with its arguments and options."""
    parts = [
        _title(
            "Command line",
            "Verbs speak HTTP to the server named by `--url` and `--key` (`CITEWELL_URL`,"
            " `CITEWELL_API_KEY`), else to the stack that `citewell up` runs from `./.citewell` or"
            " `~/.citewell`. Exit codes: 0 done, 1 done but something failed, 2 wrong usage,"
            " 3 no server answers, 4 the server refuses, 130 interrupted or answered with no."
            " `--json` prints one JSON document on standard output, all else on standard error.",
        )
    ]
    for name, verb in VERBS.items():
        command = typer.main.get_command(import_module(verb.module).app)
        parts += [_command(f"citewell {path}", one) for path, one in _commands(name, command)]
    return _page(parts)


def metrics() -> str:
    """Every metric, from the registry of a process that has both services' code."""
    for module in APPS.values():
        import_module(module)
    import_module("services.ingest_worker.tasks")
    rows = sorted(
        (f"`{metric.name}`", metric.type, metric.documentation)
        for metric in REGISTRY.collect()
        if metric.name.startswith("citewell_")
    )
    head = _title(
        "Metrics", "Prometheus metrics of Citewell's own, at `/ingest/metrics`, `/query/metrics`."
    )
    return _page([head, table("Metric", "Kind", "What it counts", rows)])


def decisions() -> str:
    """The index of decision records, from their titles."""
    head = _title(
        "Decisions",
        "One page each: context, decision, consequences, alternatives"
        " ([template](0000-template.md)). Numbers are never reused; a decision that no longer"
        " holds is superseded by a new one and stays here.",
    )
    rows = [
        (f"[{page.name[:4]}]({page.name})", _decision_title(page))
        for page in sorted((DOCS / "decisions").glob("[0-9]*.md"))
        if page.name != "0000-template.md"
    ]
    return _page([head, table("Number", "Decision", rows)])


def _decision_title(page: Path) -> str:
    return page.read_text(encoding="utf-8").splitlines()[0].partition(". ")[2]


PAGES: Mapping[str, Callable[[], str]] = {
    "reference/configuration.md": configuration,
    "reference/problems.md": problems,
    "reference/http.md": http,
    "reference/cli.md": cli,
    "reference/metrics.md": metrics,
    "decisions/README.md": decisions,
}


def _title(title: str, text: str) -> str:
    return f"# {title}\n\n{MADE}\n\n{text}"


def _page(parts: Iterable[str]) -> str:
    return "\n\n".join(parts) + "\n"


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "required"
    if value is None or value in ("", ()) or isinstance(value, SecretStr):
        return ""
    # As it would be written in the environment.
    if isinstance(value, tuple):
        return f"`{','.join(map(str, value))}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _errors(of: type[CitewellError] = CitewellError) -> Iterator[type[CitewellError]]:
    # A class without a code of its own and with others below it is a group, never raised itself.
    is_group = "code" not in vars(of) and of.__subclasses__()
    if of.__module__ == CitewellError.__module__ and not is_group:
        yield of
    for below in of.__subclasses__():
        yield from _errors(below)


def _first_line(error: type[CitewellError]) -> str:
    return (inspect.getdoc(error) or "").splitlines()[0]


def _commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    below = getattr(command, "commands", None)
    if not below:
        yield path, command
        return
    for name, one in below.items():
        yield from _commands(f"{path} {name}", one)


def _command(path: str, command: Any) -> str:
    rows = [
        (_spelling(one), getattr(one, "help", None) or "", _fallback(one)) for one in command.params
    ]
    words = inspect.cleandoc(command.help or "")
    text = f"## `{path}`\n\n{words}"
    return f"{text}\n\n{table('Argument', 'What it means', 'Default', rows)}" if rows else text


def _spelling(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.name.upper()}`"
    return ", ".join(f"`{one}`" for one in [*parameter.opts, *parameter.secondary_opts])


def _fallback(parameter: Any) -> str:
    if parameter.envvar:
        names = [parameter.envvar] if isinstance(parameter.envvar, str) else parameter.envvar
        return ", ".join(f"`{name}`" for name in names)
    if parameter.required:
        return "required"
    return "" if parameter.default in (None, "", False) else f"`{parameter.default}`"


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
