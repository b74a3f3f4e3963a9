"""The demonstration: a stack of its own, the sample documents, questions with known answers.

Goes out: what was loaded, each answer, and whether it names the file and page it must.
"""

import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from citewell.client import Answer, AsyncClient, Patience
from citewell.embedded.data_folder import Ready
from citewell.embedded.parts import Part
from citewell.loading.files import find_files
from citewell.loading.loader import Loader, LoadOptions
from citewell.loading.tally import Tally
from citewell.samples import DOCUMENTS, SampleQuestion, questions

START_S = 180.0
# The stack stops itself within ten seconds.
STOP_S = 20.0
_LOOK_S = 0.1
_LINES = 15
_READY = TypeAdapter(Ready)


class StackDidNotStart(Exception):
    """The demonstration's stack ended, or did not answer in time; its last words are the text."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A question, its answer, and whether that is what the samples say."""

    asked: SampleQuestion
    answer: Answer

    @property
    def right(self) -> bool:
        """Whether the answer names the source it must, or abstains where there is none."""
        if self.asked.source is None:
            return self.answer.abstained
        return not self.answer.abstained and self.asked.source in self.answer.sources


@contextmanager
def running_stack(folder: Path) -> Iterator[Ready]:
    """Run `citewell up` on a folder and a free port; it ends with the block, or with us.

    Raises:
        StackDidNotStart: it ended by itself or took too long.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "up.log"
    command = (sys.executable, "-m", "citewell", "up", "--data", str(folder), "--port", "0")
    with log.open("ab") as out:
        process = subprocess.Popen(  # noqa: S603 - our own command
            Part("up", command, folder).launch(), stdout=out, stderr=subprocess.STDOUT
        )
    try:
        yield _wait_until_ready(process, folder / "ready.json", log)
    finally:
        _stop(process)


def _wait_until_ready(process: subprocess.Popen[bytes], ready: Path, log: Path) -> Ready:
    limit = time.monotonic() + START_S
    while time.monotonic() < limit:
        if ready.exists():
            return _READY.validate_json(ready.read_bytes())
        if process.poll() is not None:
            raise StackDidNotStart(_last_words(log))
        time.sleep(_LOOK_S)
    raise StackDidNotStart(f"It was not ready after {START_S:.0f} s.\n{_last_words(log)}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_words(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LINES:])


async def load_samples(ready: Ready) -> Tally:
    """Load the sample documents and return when each is searchable or has failed."""
    found = find_files([str(DOCUMENTS)])
    tally = Tally(found=len(found.files))
    async with _client(ready) as client:
        loader = Loader(client, LoadOptions(), tally=tally, progress=lambda _: None)
        await loader.run(found.files)
    return tally


async def ask_samples(ready: Ready) -> AsyncIterator[Verdict]:
    """Ask every sample question, one after the other."""
    async with _client(ready) as client:
        for asked in questions():
            yield Verdict(asked, await client.ask(asked.question))


def _client(ready: Ready) -> AsyncClient:
    return AsyncClient(ready.url, key=ready.api_key, patience=Patience())
