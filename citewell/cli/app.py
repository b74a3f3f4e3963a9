"""The table of verbs. A verb's module is imported when that verb is called, not before.

Measured on two cores: SQLAlchemy and Alembic take 1.0 s to import, httpx 0.2 s; typer and rich
0.1 s. So `citewell --help` and a search do not pay for what only `migrate` needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module, metadata
from types import MappingProxyType
from typing import Annotated, Any

import typer
from typer.completion import get_completion_inspect_parameters
from typer.core import TyperGroup
from typing_extensions import override

_OPERATE, _USE = "Run it", "Use it"


@dataclass(frozen=True, slots=True)
class Verb:
    """Where a verb is, and its line in the list."""

    module: str
    panel: str
    help: str


VERBS: Mapping[str, Verb] = MappingProxyType(
    {
        "demo": Verb("citewell.cli.demo", _OPERATE, "See it work: samples in, cited answers out."),
        "up": Verb("citewell.cli.up", _OPERATE, "Start the whole stack on this machine."),
        "doctor": Verb("citewell.cli.doctor", _OPERATE, "Say what is wrong and what to do."),
        "rebuild": Verb("citewell.cli.rebuild", _OPERATE, "Fill the vector store again."),
        "quality": Verb("citewell.cli.quality", _OPERATE, "See if answers got worse."),
        "reindex": Verb("citewell.cli.reindex", _OPERATE, "Give a collection another space."),
        "config": Verb("citewell.cli.config", _OPERATE, "Show every setting and what is wrong."),
        "migrate": Verb("citewell.cli.migrate", _OPERATE, "Bring a database to the newest schema."),
        "keys": Verb("citewell.cli.keys", _OPERATE, "Make API keys."),
        "ingest": Verb("citewell.cli.ingest", _USE, "Load files and folders."),
        "batches": Verb("citewell.cli.batches", _USE, "See, pause, retry, cancel uploads."),
        "jobs": Verb("citewell.cli.jobs", _USE, "See, retry and cancel what was loaded."),
        "retry": Verb("citewell.cli.retry", _USE, "Open failed and cancelled jobs again."),
        "cancel": Verb("citewell.cli.cancel", _USE, "End jobs that are no longer wanted."),
        "documents": Verb("citewell.cli.documents", _USE, "See, fetch, restore, delete documents."),
        "collections": Verb("citewell.cli.collections", _USE, "See, make, delete collections."),
        "usage": Verb("citewell.cli.usage", _USE, "Add up what is held and used."),
        "search": Verb("citewell.cli.search", _USE, "Find the passages that fit best."),
        "ask": Verb("citewell.cli.ask", _USE, "Answer a question, with its sources."),
        "eval": Verb("citewell.cli.eval", _USE, "Measure how well questions find their answers."),
        "completion": Verb("citewell.cli.completion", _USE, "Complete verbs in your shell."),
    }
)


class LateVerbs(TyperGroup):
    """Lists verbs by the table alone; imports the one that is called."""

    @override
    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """Put the real command in the place of its line, then go on as usual."""
        name = args[0] if args else ""
        if name in VERBS:
            module = import_module(VERBS[name].module)
            self.add_command(typer.main.get_command(module.app), name)
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=LateVerbs,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
    add_completion=False,
)


def _line() -> None:
    """Stand for a verb in the list; `LateVerbs` runs the real one."""


for _name, _verb in VERBS.items():
    app.command(_name, help=_verb.help, rich_help_panel=_verb.panel)(_line)


def _print_version(wanted: bool) -> None:  # noqa: FBT001
    if wanted:
        typer.echo(f"citewell {metadata.version('citewell')}")
        raise typer.Exit


@app.callback()
def citewell(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Bulk documents in, cited answers out.

    Begin with `citewell demo`, or `citewell up` and, in another terminal, `citewell ingest FOLDER`
    and `citewell ask "…"`.
    """


def main() -> None:
    """Run the command line, or complete it when a shell's script asks."""
    # Typer's own forms of completion are known only once this was asked for.
    get_completion_inspect_parameters()
    app(prog_name="citewell")
