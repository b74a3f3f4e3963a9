"""The door: envelopes, errors, keys, health and metrics, without a socket."""

from collections.abc import AsyncIterator

import httpx
import pytest

from citewell.embedded.qdrant import app as door
from citewell.embedded.qdrant.app import build_app
from citewell.embedded.qdrant.catalogue import Catalogue
from tests.support.qdrant import COLLECTION

KEY = "a-key"


def client_of(catalogue: Catalogue, *, api_key: str | None = None) -> httpx.AsyncClient:
    app = build_app(catalogue, api_key=api_key, quiet_s=0)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://qdrant")


@pytest.fixture
async def client(filled: Catalogue) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(filled) as client:
        yield client


@pytest.fixture
async def guarded(filled: Catalogue) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(filled, api_key=KEY) as client:
        yield client


async def test_an_answer_is_in_qdrants_envelope(client: httpx.AsyncClient) -> None:
    answer = await client.post("/collections/one/points/count", json={})
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    assert (told["result"], told["status"]) == ({"count": 5}, "ok")
    assert told["time"] >= 0


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/collections/two", None, 404),
        ("POST", "/collections/two/points/count", b"{}", 404),
        ("PUT", "/collections/two/points", b'{"points": []}', 404),
        ("GET", "/collections/one/points/77", None, 404),
        ("POST", "/collections/one/points/payload", b'{"payload": {}, "points": [77]}', 404),
        ("GET", "/nothing/here", None, 404),
        ("POST", "/collections/one/points/search/matrix/pairs", b"{}", 404),
        ("POST", "/collections", b"{}", 405),
        ("PUT", "/collections/one", b'{"vectors": {"size": 1, "distance": "Dot"}}', 409),
        ("PUT", "/collections/two", b"{}", 400),
        ("POST", "/collections/one/points/count", b"{", 400),
        ("POST", "/collections/one/points/count", b"[]", 400),
        ("POST", "/collections/one/points/query", b'{"query": [1, 2, 3], "using": "dense"}', 400),
        ("POST", "/collections/one/points/query", b'{"query": [1, 2], "using": "x"}', 400),
        ("GET", "/collections/one/points/not-an-id", None, 400),
        ("GET", "/collections/one/points/99999999999999999999", None, 400),
        ("POST", "/collections/one/points/scroll", b'{"order_by": "n"}', 400),
        ("PUT", "/collections/one/index", b'{"field_name": "n"}', 400),
    ],
)
async def test_errors_are_in_qdrants_form(
    client: httpx.AsyncClient, method: str, path: str, body: bytes | None, status: int
) -> None:
    answer = await client.request(method, path, content=body)
    assert answer.status_code == status
    told = answer.json()
    assert told["status"]["error"]
    assert told["time"] >= 0


async def test_a_bug_is_a_500_that_tells_nothing(
    client: httpx.AsyncClient, filled: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filled, "names", lambda: 1 // 0)
    answer = await client.get("/collections")
    assert answer.status_code == 500
    assert answer.json()["status"]["error"] == "Service internal error: see the server's log"


async def test_a_panic_of_the_engine_is_a_500_too(
    client: httpx.AsyncClient, filled: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PanicException(BaseException):
        """As PyO3's, which does not derive from `Exception`."""

    def panic() -> list[str]:
        raise PanicException

    monkeypatch.setattr(filled, "names", panic)
    answer = await client.get("/collections")
    assert answer.status_code == 500
    assert answer.json()["status"]["error"] == "Service internal error: see the server's log"


async def test_head_is_answered_where_get_is(client: httpx.AsyncClient) -> None:
    assert (await client.head("/collections")).status_code == 200


async def test_a_body_beyond_the_limit_is_refused(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_LARGEST_BODY", 10)
    answer = await client.post("/collections/one/points/count", content=b" " * 11)
    assert answer.status_code == 413


async def test_names_may_be_escaped_in_paths(client: httpx.AsyncClient) -> None:
    created = await client.put("/collections/my%20collection", json=COLLECTION)
    assert created.json()["result"] is True
    assert (await client.get("/collections/my%20collection/exists")).json()["result"]["exists"]


async def test_one_point_comes_with_everything(client: httpx.AsyncClient) -> None:
    told = (await client.get("/collections/one/points/1")).json()["result"]
    assert (told["id"], told["payload"]) == (1, {"n": 1, "even": False})
    assert told["vector"]["dense"] == pytest.approx([0.5**0.5, 0.5**0.5])


async def test_a_collection_is_described(client: httpx.AsyncClient) -> None:
    index = {"field_name": "n", "field_schema": {"type": "integer", "lookup": True, "range": True}}
    await client.put("/collections/one/index", json=index)
    await client.put("/collections/one/index", json={"field_name": "even", "field_type": "bool"})
    told = (await client.get("/collections/one")).json()["result"]
    assert (told["status"], told["points_count"]) == ("green", 5)
    assert told["config"]["params"]["vectors"] == COLLECTION["vectors"]
    assert told["payload_schema"]["n"]["points"] == 5
    assert told["payload_schema"]["even"] == {"data_type": "bool", "params": None, "points": 5}
    await client.delete("/collections/one/index/n")
    assert list((await client.get("/collections/one")).json()["result"]["payload_schema"]) == [
        "even"
    ]


async def test_an_empty_batch_of_searches_is_answered(client: httpx.AsyncClient) -> None:
    answer = await client.post("/collections/one/points/query/batch", json={"searches": []})
    assert answer.json()["result"] == []


@pytest.mark.parametrize("headers", [{"api-key": KEY}, {"Authorization": f"Bearer {KEY}"}])
async def test_with_the_key_everything_is_answered(
    guarded: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    assert (await guarded.get("/collections", headers=headers)).status_code == 200
    assert (await guarded.get("/metrics", headers=headers)).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"api-key": "wrong"}, {"api-key": ""}])
@pytest.mark.parametrize("path", ["/collections", "/metrics", "/collections/none/exists"])
async def test_without_the_key_nothing_is_told(
    guarded: httpx.AsyncClient, headers: dict[str, str], path: str
) -> None:
    answer = await guarded.get(path, headers=headers)
    assert answer.status_code == 401
    assert set(answer.json()["status"]) == {"error"}


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/livez"])
async def test_health_needs_no_key(guarded: httpx.AsyncClient, path: str) -> None:
    assert (await guarded.get(path)).text == "healthz check passed"


async def test_the_version_needs_no_key(guarded: httpx.AsyncClient) -> None:
    assert (await guarded.get("/")).json()["version"] == door.VERSION


async def test_answers_are_counted(client: httpx.AsyncClient) -> None:
    await client.get("/collections")
    await client.get("/collections/two")
    lines = (await client.get("/metrics")).text.splitlines()
    assert "collections_total 1" in lines
    assert (
        'rest_responses_total{method="GET",endpoint="/collections/{name}",status="404"} 1' in lines
    )
