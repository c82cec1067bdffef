"""What Prometheus answers, as samples of the history: a missing value is never a number."""

from __future__ import annotations

import contextlib
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from skerry.experiment import load_document
from skerry.worlds.kubernetes.own_samples import (
    PrometheusError,
    names_wanted,
    own_samples,
    prometheus_samples,
    queries_wanted,
    samples_of,
)

QUERY = "max(up)"
DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: one}
spec:
  hypothesis: Metrics are read.
  prometheusUrl: http://prometheus:9090
  faults: [{name: crash, kill: {target: {ordinal: 0}, how: PodDelete}}]
  expect:
  - {name: up, promql: {query: max(up), equals: 1}}
  - {name: up twice, promql: {query: max(up), atLeast: 1}}
  - {name: ours, metric: {name: skerry_experiments_running, from: Operator, aggregate: Max, atMost: 1}}
  - {name: theirs, metric: {name: broker_elections_total, from: Brokers, aggregate: Delta, atMost: 1}}
"""


def answer(result_type: str, result: object, status: str = "success", error: str = "") -> bytes:
    return json.dumps(
        {"status": status, "error": error, "data": {"resultType": result_type, "result": result}}
    ).encode()


@pytest.mark.parametrize(
    ("result_type", "result", "values"),
    [
        ("vector", [{"metric": {"job": "a"}, "value": [1.5, "1"]}, {"metric": {}, "value": [1.5, "0.25"]}], [1, 0.25]),
        ("vector", [{"metric": {}, "value": [1.5, "NaN"]}], []),
        ("vector", [{"metric": {}, "value": [1.5, "+Inf"]}], [float("inf")]),
        ("vector", [], []),
        ("scalar", [1.5, "3"], [3]),
        ("scalar", [1.5, "NaN"], []),
    ],
)
def test_values_become_samples_with_the_query_as_a_label(result_type: str, result: object, values: list[float]) -> None:
    samples = samples_of(answer(result_type, result), QUERY, 7)
    assert [each.value for each in samples] == values
    assert {(each.broker, each.name, each.labels["query"], each.at_ns) for each in samples} <= {
        (-1, "promql", QUERY, 7)
    }


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (answer("vector", [], "error", "parse error at char 3"), r"refused the query \(parse error at char 3\): max"),
        (answer("matrix", []), "must give a vector or a scalar, not a matrix"),
        (b"<html>", "what answers is no Prometheus"),
    ],
)
def test_anything_else_is_an_error_in_one_sentence(body: bytes, sentence: str) -> None:
    with pytest.raises(PrometheusError, match=sentence):
        samples_of(body, QUERY, 7)


async def test_what_prometheus_is_asked() -> None:
    query, sent, asked = 'max(lag{topic="$topic"})', 'max(lag{topic="own"})', []

    async def respond(request: web.Request) -> web.Response:
        asked.append(request.query["query"])
        return web.Response(body=answer("scalar", [1.5, "3"]))

    app = web.Application()
    app.add_routes([web.get("/api/v1/query", respond)])
    async with TestServer(app) as server:
        (sample,) = await prometheus_samples(str(server.make_url("/")), query, sent, 7)
    assert (asked, sample.value) == ([sent], 3)
    assert sample.labels["query"] == query, "by this the document's query is found again"


async def test_a_prometheus_that_is_not_there_is_named() -> None:
    with pytest.raises(PrometheusError, match=r"Prometheus at http://127.0.0.1:9 did not answer the query .*: max"):
        await prometheus_samples("http://127.0.0.1:9", QUERY, "orders", 7)


async def test_neither_user_nor_password_are_told() -> None:
    with pytest.raises(PrometheusError) as caught:
        await prometheus_samples("http://me:secret@127.0.0.1:9", QUERY, "orders", 7)
    assert str(caught.value).startswith("Prometheus at http://127.0.0.1:9 did not answer")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("kind", ["endless", "elsewhere"])
async def test_what_is_no_prometheus_costs_little(kind: str) -> None:
    """The author of a document chooses the address: no endless body, and no way from there to another server."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        if kind == "elsewhere":
            raise web.HTTPFound("/another")
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b"x" * (1 << 20))
        return response

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        with pytest.raises(PrometheusError):
            await prometheus_samples(str(server.make_url("/")), QUERY, "orders", 7)
    assert asked == ["/api/v1/query"]


def test_only_what_the_document_asks_for_is_taken() -> None:
    spec = load_document(DOCUMENT, "test").spec
    exported = [("skerry_experiments_running", {}, 1.0), ("skerry_verdicts_total", {"verdict": "Pass"}, 3.0)]
    assert queries_wanted(spec) == [QUERY]
    assert [each.name for each in own_samples(lambda: exported, names_wanted(spec), 7)] == [
        "skerry_experiments_running"
    ]
    assert list(own_samples(lambda: exported, frozenset(), 7)) == []
