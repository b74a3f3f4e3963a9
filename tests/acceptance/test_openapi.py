"""Both OpenAPI documents against the running stack: nothing they allow is a server error."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import Stack, start_stack

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
ENDS_WITHIN_S = 240


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with start_stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.mark.parametrize("service", ["query", "ingest"])
def test_no_request_that_a_document_allows_is_a_server_error(
    stack: Stack, service: str, tmp_path: Path
) -> None:
    url = f"{stack.ready['url']}/{service}"
    command = [str(SCHEMATHESIS), "run", f"{url}/openapi.json", "--url", url]
    command += ["--header", f"Authorization: Bearer {stack.ready['api_key']}"]
    command += ["--checks", "not_a_server_error", "--phases", "examples,fuzzing"]
    # One worker: in threads CPython 3.11 may miscount the depth of a syntax tree (gh-106905).
    command += ["--max-examples", "10", "--workers", "1", "--request-timeout", "30"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=ENDS_WITHIN_S, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert "passed" in done.stdout
