"""Samples that only the operator can take: its own metrics, and what Prometheus says when the workload has ended.

They go into the history like everybody else's, with -1 as their broker.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator

import aiohttp
import msgspec

from skerry.expectations.promql import QUERY_LABEL, SAMPLE_NAME
from skerry.experiment.document import Spec
from skerry.history.records import MetricSample
from skerry.schema.vocabulary import MetricSource

OPERATOR = -1
QUERY_TIMEOUT_S = 5.0
SERIES_MAX = 200
BODY_BYTES_MAX = 4 << 20
"""Most bytes of an answer; what is longer comes from no Prometheus that was asked for one instant."""
CREDENTIALS = re.compile(r"//[^/@]*@")

OwnMetrics = Callable[[], Iterable[tuple[str, dict[str, str], float]]]
"""(name, labels, value) of every series that the operator exports now."""


class PrometheusError(Exception):
    """A query has no answer; one sentence."""


class _Series(msgspec.Struct, frozen=True):
    metric: dict[str, str] = {}
    value: tuple[float, str] = (0.0, "NaN")


class _Data(msgspec.Struct, frozen=True, rename="camel"):
    result_type: str = ""
    result: msgspec.Raw = msgspec.Raw(b"[]")


class _Answer(msgspec.Struct, frozen=True):
    status: str = ""
    data: _Data = _Data()
    error: str = ""


def names_wanted(spec: Spec) -> frozenset[str]:
    """The names of the operator's own metrics that the document asks for."""
    return frozenset(
        name for each in spec.expect for name, source in each.body.metrics() if source is MetricSource.OPERATOR
    )


def own_samples(metrics: OwnMetrics, names: frozenset[str], at_ns: int) -> Iterator[MetricSample]:
    """One sample of each series that is asked for."""
    for name, labels, value in metrics() if names else ():
        if name in names:
            yield MetricSample(OPERATOR, at_ns, name, labels, value)


def queries_wanted(spec: Spec) -> list[str]:
    """Each once, in the order of the document, as it is written there."""
    return list(dict.fromkeys(query for each in spec.expect for query in each.body.queries()))


async def prometheus_samples(url: str, query: str, asked: str, at_ns: int) -> list[MetricSample]:
    """The instant query's values now; ``query`` is the document's, ``asked`` what Prometheus is asked for it. Raises
    PrometheusError."""
    timeout = aiohttp.ClientTimeout(total=QUERY_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{url.rstrip('/')}/api/v1/query", params={"query": asked}, allow_redirects=False) as response,
        ):
            body = await _bounded_body(response)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        reason = type(error).__name__  # its text may hold what the URL held
        raise PrometheusError(f"Prometheus at {shown(url)} did not answer the query ({reason}): {query}") from None
    return samples_of(body, query, at_ns)


def shown(url: str) -> str:
    """The URL without user and password."""
    return CREDENTIALS.sub("//", url)


async def _bounded_body(response: aiohttp.ClientResponse) -> bytes:
    body = b""
    async for piece in response.content.iter_chunked(1 << 16):
        body += piece
        if len(body) > BODY_BYTES_MAX:
            raise aiohttp.ClientPayloadError("too long")
    return body


def samples_of(body: bytes, query: str, at_ns: int) -> list[MetricSample]:
    """A vector's or scalar's values, NaN left out (no value is no sample). Raises PrometheusError."""
    try:
        answer = msgspec.json.decode(body, type=_Answer)
        if answer.status != "success":
            raise PrometheusError(f"Prometheus refused the query ({answer.error or 'without a reason'}): {query}")
        if answer.data.result_type == "vector":
            series = msgspec.json.decode(answer.data.result, type=list[_Series])
        elif answer.data.result_type == "scalar":
            value = msgspec.json.decode(answer.data.result, type=tuple[float, str])
            series = [_Series(value=value)]
        else:
            raise PrometheusError(f"a query must give a vector or a scalar, not a {answer.data.result_type}: {query}")
    except msgspec.DecodeError as error:
        raise PrometheusError(f"what answers is no Prometheus ({error}): {query}") from None
    values = [(each.metric, float(each.value[1])) for each in series[:SERIES_MAX]]
    return [
        MetricSample(OPERATOR, at_ns, SAMPLE_NAME, {**labels, QUERY_LABEL: query}, value)
        for labels, value in values
        if not math.isnan(value)
    ]
