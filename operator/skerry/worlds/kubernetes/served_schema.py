"""Whether the CRD of the cluster knows every field that this version reads. Pure, but for the one question.

The API server drops fields that its CRD does not know, and `helm upgrade` leaves a CRD as it is. A document whose field
was dropped is another document: carried out as it stands it would be a run that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry.experiment.schema import crd
from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.api import Kube, KubeError
from skerry.worlds.kubernetes.names import GROUP, KIND, VERSION

SHOWN = 3


async def unknown_fields(kube: Kube) -> list[str]:
    """The fields, as paths, that are in our schema and not in the one that is served; none when the server does not
    publish its schemas.

    Raises KubeError: it did not answer.
    """
    try:
        served = schema_of(await kube.openapi(GROUP, VERSION))
    except KubeError as error:
        if error.unanswered:
            raise
        return []
    return list(fields_missing(own_schema(), served)) if served else []


def own_schema() -> JsonObject:
    """Without `metadata`, which the API server describes by a reference."""
    (version,) = (each for each in crd()["spec"]["versions"] if each["name"] == VERSION)
    properties = version["schema"]["openAPIV3Schema"]["properties"]
    return {"properties": {name: properties[name] for name in ("spec", "status")}}


def schema_of(published: JsonObject) -> JsonObject:
    """The schema of experiments in an OpenAPI v3 document; empty: it is not in there."""
    for schema in ((published.get("components") or {}).get("schemas") or {}).values():
        kinds = schema.get("x-kubernetes-group-version-kind") or []
        if {"group": GROUP, "version": VERSION, "kind": KIND} in kinds:
            return dict(schema)
    return {}


def fields_missing(wanted: JsonObject, served: JsonObject, path: str = "") -> Iterator[str]:
    """What is below a field that is missing is not told beside it."""
    if served.get("x-kubernetes-preserve-unknown-fields"):
        return
    properties = served.get("properties") or {}
    for name, schema in (wanted.get("properties") or {}).items():
        here = f"{path}.{name}".lstrip(".")
        if name in properties:
            yield from fields_missing(schema, properties[name], here)
        else:
            yield here
    if isinstance(wanted.get("items"), dict):
        yield from fields_missing(wanted["items"], served.get("items") or {}, f"{path}[]")


def sentence(missing: list[str]) -> str:
    more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    fields = ", ".join(f"`{each}`" for each in missing[:SHOWN])
    return (
        f"the CRD of this cluster is not the one of this operator: it does not know {fields}{more}, and the API server "
        "drops what the CRD does not know; apply `crds/chaosexperiments.yaml` of this version, and the experiment again"
    )
