"""The resource as a document: what the API server stored, read by the same loader as a file."""

from __future__ import annotations

from typing import Any

import yaml

from skerry.experiment import DocumentError, Experiment, load_document
from skerry.experiment.target_checks import workload_of_others
from skerry.schema.base import JsonObject
from skerry.targets import registry

PROBLEMS_SHOWN = 3


class InvalidDocument(Exception):
    """One sentence: what is wrong, and where."""


def read_resource(resource: JsonObject) -> Experiment:
    """Raises InvalidDocument: the CRD let something through that the models do not."""
    document = {
        "apiVersion": resource.get("apiVersion"),
        "kind": resource.get("kind"),
        "metadata": {key: resource["metadata"][key] for key in ("name", "namespace") if key in resource["metadata"]},
        "spec": resource.get("spec"),
    }
    try:
        return load_document(yaml.dump(document, Dumper=_NoAliases, sort_keys=False))
    except DocumentError as error:
        # Lines would be those of our own text.
        problems = [f"{problem.path}: {problem.sentence}".removeprefix(": ") for problem in error.problems]
        more = len(problems) - PROBLEMS_SHOWN
        others = f"; and {more} more" if more > 0 else ""
        raise InvalidDocument(f"{'; '.join(problems[:PROBLEMS_SHOWN])}{others}.") from None


def document_text(experiment: Experiment) -> str:
    """The document as YAML, for the header of the history: reading it gives the same experiment."""
    target = experiment.target
    left_out: dict[str, Any] = dict.fromkeys(registry.words().keys() - target.declared.keys(), True)
    if meaningless := workload_of_others(target):
        left_out["workload"] = meaningless
    document = experiment.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude={"status": True, "spec": left_out}
    )
    return yaml.dump(document, Dumper=_NoAliases, sort_keys=False, width=120, allow_unicode=False)


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True
