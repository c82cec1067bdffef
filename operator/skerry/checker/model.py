"""What a model is: what clients do to a system, what must then hold, and what a document may ask of it.

A model is a package below ``skerry.checker.models``: one file a property, an evidence class that prepares a history for
them, and a line in ``models.MODELS``. The header of a history names its model, so a recording can be judged by itself.
What is owed to a write, the target of the run says (``checker.guarantees``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from skerry.checker.property import Property
from skerry.expectations.facts import RunFacts
from skerry.expectations.port import Judge
from skerry.experiment import Experiment
from skerry.history import History


class RunEvidence(Protocol):
    """What the properties that every model shares (``skerry.checker.common``) ask of a model's evidence."""

    @property
    def history(self) -> History: ...

    @property
    def acknowledged(self) -> int:
        """How many writes were acknowledged; 0: the run proves nothing."""

    def doubts(self) -> Iterable[tuple[str, str]]:
        """(reason, sentence) of whatever keeps what clients did from being judged: a final read that did not reach the
        end, say."""


@dataclass(frozen=True)
class Model:
    """``evidence``: of a history, what each property is given beside the guarantees of the run. ``properties`` are
    checked always, in the order of the report; ``expectations``, by the field of the document, are given the body and
    the ``facts`` of history and document."""

    name: str
    evidence: Callable[[History], Any]
    properties: tuple[Property, ...]
    expectations: Mapping[str, Judge]
    facts: Callable[[History, Experiment], RunFacts] = RunFacts
