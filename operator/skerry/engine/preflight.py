"""Whether a run is begun at all, as far as it can be told without a look at any cluster."""

from __future__ import annotations

from skerry.engine.capabilities import Capabilities
from skerry.engine.needs import needed_features
from skerry.engine.plan import guard_refusals
from skerry.experiment.document import Experiment


def refusal(experiment: Experiment, seed: int, capabilities: Capabilities) -> tuple[str, str]:
    """Why it is not: the reason and its sentences. Both empty: nothing is against it."""
    spec = experiment.spec
    reason, lacking = capabilities.refusal(spec.target, needed_features(spec))
    if lacking:
        return reason, lacking
    refused = guard_refusals(experiment, seed)
    return ("GuardRefused", " ".join(refused)) if refused else ("", "")
