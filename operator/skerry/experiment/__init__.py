"""Pure data: the ChaosExperiment document. The CRD is generated from these models.

How it works. A document is YAML text. `loader.load_document` parses it into nodes that remember their lines, validates
the values with the pydantic models of `document` (composed from the registries of faults and expectations), then
applies the rules that span several fields (`crosschecks`). What comes out is a frozen `Experiment`; what is wrong comes
out as a `DocumentError` with a sentence for each problem: where (file, line, path), what, and what would be right.
Nothing here knows the cluster: whether a role can be resolved or a world can do a fault is the engine's business.

Start here::

    experiment = load_document(text, source_name="experiments/01-leader-isolation.yaml")
    experiment.spec.faults[0].kind, .body      # "partition", PartitionFault
    experiment.spec.expect[0].rule, .body      # "leaderChange", LeaderChange
"""

from __future__ import annotations

from skerry.experiment.document import Expectation, Experiment, Fault, Spec
from skerry.experiment.loader import DocumentError, Problem, load_document
from skerry.schema.verdict import Finding, FindingKind, Verdict, worst

__all__ = [
    "DocumentError",
    "Expectation",
    "Experiment",
    "Fault",
    "Finding",
    "FindingKind",
    "Problem",
    "Spec",
    "Verdict",
    "load_document",
    "worst",
]
