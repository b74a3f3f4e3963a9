"""`citewell eval`: how well a collection answers judged questions, mode by mode."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import typer

from citewell.cli.connection import FOLLOWING, find_server, running_stack
from citewell.cli.failures import ExitCode, complain, told
from citewell.cli.options import AsJson, Key, Url
from citewell.cli.output import print_json, stderr, stdout, table
from citewell.client import AsyncClient, ClientError
from citewell.client.models import SearchMode
from citewell.evaluation.bootstrap import Estimate
from citewell.evaluation.plot import as_svg
from citewell.evaluation.report import Report, WayReport, as_csv, way_reports
from citewell.evaluation.running import Evaluation, Measured, Way
from citewell.evaluation.sets import EvalSet, corpus_files, read_set
from citewell.loading.loader import Loader, LoadOptions
from citewell.loading.tally import Tally
from shared.errors import InvalidInput

TELL_EVERY_S = 5.0


class Mode(StrEnum):
    """The search's modes; typer takes no list of literals."""

    HYBRID = "hybrid"
    DENSE = "dense"
    SPARSE = "sparse"


_MODES: Mapping[Mode, SearchMode] = MappingProxyType(
    {Mode.HYBRID: "hybrid", Mode.DENSE: "dense", Mode.SPARSE: "sparse"}
)

app = typer.Typer(add_completion=False)


@dataclass(slots=True)
class _Outputs:
    """Where the report goes beside the terminal."""

    table: Path | None
    plot: Path | None
    as_json: bool

    def require(self) -> None:
        """Refuse a file that cannot be written, before hours are spent on what goes there."""
        for target in (self.table, self.plot):
            if target is not None and not target.absolute().parent.is_dir():
                raise InvalidInput(f"There is no folder {target.absolute().parent}.")


@dataclass(slots=True)
class _Run:
    """One evaluation, and what it has come to so far."""

    asked: EvalSet
    measured: Measured
    concurrency: int
    load: bool
    told_at: float = field(default_factory=time.monotonic)

    async def go(self, url: str, key: str) -> None:
        """Load the corpus if that is asked for, then ask every question."""
        async with AsyncClient(url, key=key, patience=FOLLOWING) as client:
            if self.load and self.asked.corpus is not None:
                await _load(client, self.asked.corpus, self.asked.collection)
            evaluation = Evaluation(client, self.asked, self.measured, progress=self._progress)
            await evaluation.run(concurrency=self.concurrency)

    def report(self) -> Report:
        """Return the figures of the questions asked so far."""
        return Report(
            set=self.asked.name,
            collection=self.asked.collection,
            questions=len(self.asked.questions),
            measured=len(self.measured.outcomes),
            ways=way_reports(self.measured),
        )

    def _progress(self, done: int) -> None:
        if time.monotonic() - self.told_at >= TELL_EVERY_S:
            self.told_at = time.monotonic()
            stderr().print(f"{done} of {len(self.asked.questions)} questions")


@app.command("eval")
@told
def evaluate(
    path: Annotated[
        Path,
        typer.Argument(help="A BEIR folder, or a CSV of question, document, page, collection."),
    ],
    *,
    collection: Annotated[
        str | None,
        typer.Option("--collection", "-c", help="Where to ask; for a folder `eval-FOLDER`."),
    ] = None,
    load: Annotated[bool, typer.Option("--load", help="First load the folder's corpus.")] = False,
    mode: Annotated[
        list[Mode] | None, typer.Option(help="Repeatable; all three without it.")
    ] = None,
    rerank: Annotated[bool, typer.Option("--rerank", help="Each mode reranked, too.")] = False,
    concurrency: Annotated[int, typer.Option(min=1, max=32, help="Questions at once.")] = 2,
    save: Annotated[Path | None, typer.Option("--csv", help="Write the figures there.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw them there, as SVG.")] = None,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Ask judged questions and say how well each mode finds what they should find.

    nDCG@10, recall, MRR and, where pages are expected, how often the page is right, each with its
    95 % interval, and the difference to the first mode. Interrupted, it tells what it measured.
    """
    outputs = _Outputs(save, plot, as_json)
    outputs.require()
    asked = _asked(path, collection, load=load)
    run = _Run(asked, Measured(_ways(mode or _MODES, rerank=rerank)), concurrency, load=load)
    server = find_server(url, key, running_stack())
    try:
        asyncio.run(run.go(*server))
    except KeyboardInterrupt:
        _tell_part(run, outputs)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except ClientError:
        _tell_part(run, outputs)
        raise
    _tell(run.report(), outputs)


def _asked(path: Path, collection: str | None, *, load: bool) -> EvalSet:
    found = read_set(path)
    if load and found.corpus is None:
        raise InvalidInput(f"{path} has no corpus.jsonl; `citewell ingest` loads documents.")
    return replace(found, collection=collection or found.collection)


def _ways(modes: Iterable[Mode], *, rerank: bool) -> list[Way]:
    each = [_MODES[mode] for mode in dict.fromkeys(modes)]
    plain = [Way(mode) for mode in each]
    return plain + [Way(mode, rerank=True) for mode in each if rerank]


async def _load(client: AsyncClient, corpus: Path, collection: str) -> None:
    """Load a corpus and wait until it can be found.

    Raises:
        InvalidInput: documents were refused or failed: figures without them would mislead.
    """
    files = list(corpus_files(corpus))
    tally = Tally(found=len(files))
    stderr().print(f"Loading {len(files)} documents into {collection} …")
    options = LoadOptions(collection)
    await Loader(client, options, tally=tally, progress=lambda _: None).run(files)
    if tally.failures:
        first = tally.failures[0]
        raise InvalidInput(
            f"{len(tally.failures)} of {len(files)} documents did not load, the first:"
            f" {first.name}: {first.detail}"
        )


def _tell_part(run: _Run, outputs: _Outputs) -> None:
    done, of = len(run.measured.outcomes), len(run.asked.questions)
    complain(f"Ended early: the figures are of {done} of {of} questions.")
    _tell(run.report(), outputs)


def _tell(report: Report, outputs: _Outputs) -> None:
    if outputs.table is not None:
        outputs.table.write_text(as_csv(report), encoding="utf-8")
    if outputs.plot is not None:
        outputs.plot.write_text(as_svg(report), encoding="utf-8")
    if outputs.as_json:
        print_json(report)
        return
    stdout().print(f"{report.set}: {report.measured} questions to {report.collection}")
    if report.ways:
        _tell_ways(report.ways)


def _tell_ways(ways: Sequence[WayReport]) -> None:
    names = list(ways[0].measures)
    rows = [
        (one.name, *(_interval(one.measures[name]) for name in names), one.p50_ms, one.p95_ms)
        for one in ways
    ]
    stdout().print(table(["mode", *names, "p50 ms", "p95 ms"], rows))
    apart = [
        (one.name, *(_difference(one.difference[name]) for name in names))
        for one in ways
        if one.difference
    ]
    if apart:
        stdout().print()
        stdout().print(table([f"against {ways[0].name}", *names], apart))
    for one in ways:
        for what, count in one.degraded.items():
            stderr().print(f"{one.name}: {count} searches did without {what}.")


def _interval(one: Estimate) -> str:
    return f"{one.mean:.4f} ±{_half(one):.3f}"


def _difference(one: Estimate) -> str:
    sure = "" if one.low <= 0 <= one.high else " *"
    return f"{one.mean:+.4f} ±{_half(one):.3f}{sure}"


def _half(one: Estimate) -> float:
    """Return half the width of an interval; both its ends are in the CSV and the JSON."""
    return (one.high - one.low) / 2
