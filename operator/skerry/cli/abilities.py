"""Which worlds can run a document, and why not: what `skerry plan` says, and the page ``docs/experiments.md``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from skerry.cli.names import WorldName
from skerry.cli.worlds import capabilities_of, capabilities_with_everything, switches
from skerry.engine.needs import needed_features
from skerry.experiment import Experiment

NO_STATEFUL_SET = "The document names no `cluster.statefulSet`: it says where the brokers are."


class Ability(NamedTuple):
    """Whether one world can run a document."""

    world: WorldName
    lacking: tuple[str, ...]
    """Why it cannot, as sentences; empty: it can."""
    switched: tuple[str, ...]
    """What the document needs that is off unless somebody switches it on."""
    missing: tuple[str, ...]
    """The features that it lacks, as `lacking` explains them."""

    @property
    def sentence(self) -> str:
        if self.lacking:
            return f"cannot run it. {' '.join(self.lacking)}"
        if self.switched:
            needs = ", ".join(f"`{feature}`" for feature in self.switched)
            return f"can run it where {switches()} are on, for {needs}; `skerry doctor -n NS` says whether they are."
        return "can run it."


def abilities(experiment: Experiment) -> list[Ability]:
    """What every world can do of it, in the order of the documentation. No cluster is asked."""
    return [ability(experiment, world) for world in WorldName]


def ability(experiment: Experiment, world: WorldName) -> Ability:
    needed = needed_features(experiment.spec)
    prometheus = experiment.spec.prometheus_url is not None
    most = capabilities_with_everything(world, experiment, prometheus=prometheus)
    lacking = most.all_lacking(experiment.spec.target, needed)
    supported = not most.target_lacking(experiment.spec.target)
    if supported and world is WorldName.KUBERNETES and experiment.spec.cluster.stateful_set is None:
        lacking.append(NO_STATEFUL_SET)
    switched = (needed & most.features) - capabilities_of(world, experiment, prometheus=prometheus).features
    return Ability(
        world,
        tuple(lacking),
        tuple(sorted(map(str, switched))),
        tuple(sorted(map(str, needed - most.features))),
    )


def ability_lines(found: Iterable[Ability]) -> list[str]:
    """One line a world."""
    return [f"{each.world:<10}  {each.sentence}" for each in found]


# --- the page ---------------------------------------------------------------------------------------------------------

_HEAD = """# Which experiment runs where

Generated from the documents below `experiments/` and what the worlds can do, by `hack/generate.py`; do not edit.
`skerry plan FILE` says the same of a document of your own, with the reasons.

"""
_FOOT = """
*With the switches*: SIGKILL and the reset of kept-open connections take an ephemeral container, which
{switches} allow;
[security](security.md) says what that means. `skerry doctor -n NS` says whether they are on. A cluster also needs a
StatefulSet of as many brokers as the document says.
"""


def page(documents: Sequence[tuple[str, Experiment]]) -> str:
    """The whole of ``docs/experiments.md``; ``documents`` are (path, experiment), in the order of their paths."""
    return _HEAD + "\n".join(_rows(documents)) + "\n" + _FOOT.format(switches=switches())


def _rows(documents: Sequence[tuple[str, Experiment]]) -> Iterator[str]:
    yield f"| document | brokers | faults | {' | '.join(WorldName)} |"
    yield "|---" * (3 + len(WorldName)) + "|"
    for path, experiment in documents:
        kinds = ", ".join(dict.fromkeys(fault.kind for fault in experiment.spec.faults))
        cells = " | ".join(_cell(each) for each in abilities(experiment))
        yield f"| [`{path}`](../{path}) | {experiment.spec.cluster.brokers} | {kinds} | {cells} |"


def _cell(found: Ability) -> str:
    if found.lacking:
        return "no: " + ", ".join(f"`{feature}`" for feature in found.missing) if found.missing else "no"
    return "with the switches" if found.switched else "yes"
