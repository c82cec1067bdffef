"""A partition as NetworkPolicies, and what would void it.

Policies only allow, so a cut is written as "everything but": a selected pod is closed in both directions, and opened
again for every pod that it is not cut from, and for every port that is not cut. A connection needs both ends to allow
it, so that one selected end per cut pair is enough. The price: any other policy that selects the same pod may allow
what this one leaves out. ``voiding`` finds those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from skerry.faults.network_partition import Cut, CutAction
from skerry.faults.port import OccurrenceId
from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.cluster import BrokerSet
from skerry.worlds.kubernetes.names import (
    ARTEFACT_LABEL,
    GROUP,
    NAMESPACE_NAME_LABEL,
    POD_NAME_LABEL,
    Artefact,
    is_ours,
    labels,
    owner_reference,
    policy_name,
)
from skerry.worlds.kubernetes.policy_semantics import (
    Answer,
    Direction,
    Doubt,
    PodFacts,
    all_of,
    applies,
    permits,
    pod_facts,
)

PORT_MAX = 65535
CUTS_ANNOTATION = f"{GROUP}/cuts"
"""For people who find the policy: what it is there for."""

Pair = tuple[int, int]


def cut_pairs(cut: Cut) -> tuple[Pair, ...]:
    """The unordered pairs of ordinals, smaller first, sorted.

    Raises ValueError: a NetworkPolicy cannot express this cut.
    """
    if cut.one_way:
        raise ValueError("a NetworkPolicy cannot cut one direction: it refuses connections, not packets")
    if cut.action is not CutAction.DROP:
        raise ValueError("a NetworkPolicy cannot choose between silence and refusal: that is its network plugin's")
    return tuple(sorted({(min(link), max(link)) for link in cut.links}))


def guards_of(pairs: Iterable[Pair], avoid: Collection[int] = ()) -> tuple[int, ...]:
    """The ordinals whose pods are selected: at least one end of every pair, and as few as a greedy choice finds. Of
    groups it leaves out the largest.

    ``avoid``: not to be chosen where the other end will do (a standing policy selects them).
    """
    every = set(pairs)
    chosen: set[int] = set()
    while open_pairs := {pair for pair in every if not chosen & set(pair)}:
        degree = Counter(end for pair in open_pairs for end in pair)
        chosen.add(min(degree, key=lambda ordinal: (ordinal in avoid, -degree[ordinal], ordinal)))
    for ordinal in sorted(chosen):
        if all((chosen - {ordinal}) & set(pair) for pair in every):
            chosen.remove(ordinal)
    return tuple(sorted(chosen))


def policies_for(
    cut: Cut,
    brokers: BrokerSet,
    *,
    experiment: str,
    occurrence: OccurrenceId,
    owner: JsonObject,
    avoid: Collection[int] = (),
) -> list[JsonObject]:
    """One policy per guard, which refuses new connections between it and those it is cut from, on the ports of the cut
    planes, in both directions, and nothing else.

    ``owner``: the fuse, as the API server returned it.
    ``avoid``: see ``guards_of``.
    Raises ValueError: a NetworkPolicy cannot express this cut, or it names a broker that there is not.
    """
    pairs = cut_pairs(cut)
    strangers = sorted({end for pair in pairs for end in pair} - set(brokers.ordinals))
    if strangers:
        raise ValueError(f"there is no broker {strangers[0]}: StatefulSet `{brokers.name}` has {brokers.replicas}")
    ports = {plane: brokers.ports[plane] for plane in cut.planes}
    planes = ", ".join(f"{plane} {port}" for plane, port in ports.items())
    made = []
    for guard in guards_of(pairs, avoid):
        pod = brokers.pod_name(guard)
        peers = [brokers.pod_name(_other(pair, guard)) for pair in pairs if guard in pair]
        rules = _everything_but(peers, sorted(ports.values()), brokers.namespace)
        metadata = {
            "name": policy_name(experiment, occurrence, pod),
            "namespace": brokers.namespace,
            "labels": labels(experiment, Artefact.POLICY),
            "annotations": {CUTS_ANNOTATION: f"{pod} from {', '.join(peers)} on {planes}"},
            "ownerReferences": [owner_reference(owner)],
        }
        spec = {
            "podSelector": {"matchLabels": {POD_NAME_LABEL: pod}},
            "policyTypes": [str(Direction.INGRESS), str(Direction.EGRESS)],
            "ingress": [{"from": rules.peers}, {"ports": rules.ports}],
            "egress": [{"to": rules.peers}, {"ports": rules.ports}],
        }
        made.append({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec})
    return made


class _Rules(NamedTuple):
    peers: list[JsonObject]
    ports: list[JsonObject]


def _everything_but(peers: Sequence[str], ports: Sequence[int], namespace: str) -> _Rules:
    """Everybody but the peers on every port, and everybody on every port but these."""
    return _Rules(
        peers=[
            {"podSelector": {"matchExpressions": [_not_in(POD_NAME_LABEL, peers)]}},
            {"namespaceSelector": {"matchExpressions": [_not_in(NAMESPACE_NAME_LABEL, [namespace])]}},
        ],
        ports=[
            *({"protocol": "TCP", "port": first, "endPort": last} for first, last in _gaps(ports)),
            {"protocol": "UDP", "port": 1, "endPort": PORT_MAX},
            {"protocol": "SCTP", "port": 1, "endPort": PORT_MAX},
        ],
    )


def _not_in(key: str, values: Sequence[str]) -> JsonObject:
    """Matches what lacks the label, too."""
    return {"key": key, "operator": "NotIn", "values": list(values)}


def _gaps(ports: Sequence[int]) -> Iterator[tuple[int, int]]:
    """What lies between sorted ports: first and last of each range."""
    for before, after in zip((0, *ports), (*ports, PORT_MAX + 1), strict=True):
        if before + 1 < after:
            yield before + 1, after - 1


def _other(pair: Pair, ordinal: int) -> int:
    return pair[1] if pair[0] == ordinal else pair[0]


class Voider(NamedTuple):
    """A standing policy because of which a cut would have no effect, and one connection that shows it."""

    policy: str
    source: str
    target: str
    plane: str
    port: int
    guard: str
    """The pod which both select."""
    doubt: str = ""
    """What of it is not understood; it is taken to allow the connection."""
    ours: bool = False
    """It is the cut of another fault."""

    @property
    def sentence(self) -> str:
        connection = f"{self.source} -> {self.target} on port {self.port} ({self.plane})"
        if self.ours:
            return (
                f"NetworkPolicy `{self.policy}` of another fault that is still active selects {self.guard} too: "
                "policies add up, so the two cuts would void each other; let one end before the other begins"
            )
        allows = f"may allow {connection} (not understood: {self.doubt})" if self.doubt else f"allows {connection}"
        return (
            f"NetworkPolicy `{self.policy}` {allows}: policies add up, so the cut {'might' if self.doubt else 'would'} "
            "have no effect; remove it, or exclude the brokers from its podSelector"
        )


def voiding(
    standing: Iterable[JsonObject],
    pods: Iterable[JsonObject],
    namespace_labels: Mapping[str, str],
    pairs: Iterable[tuple[str, str]],
    ports: Mapping[str, int],
    guards: Collection[str] | None = None,
) -> list[Voider]:
    """The standing policies that allow what a cut is to deny, one entry each, sorted by name; empty: it will bite.

    ``standing``: the other policies of the brokers' namespace, without those of this very occurrence.
    ``pods``: the last known object of every broker.
    ``namespace_labels``: of the brokers' namespace.
    ``pairs``: the cut pairs, by pod name; both directions of each are looked at.
    ``ports``: of the cut planes.
    ``guards``: the pods that the cut's policies select. None: roles are not resolved yet, so that either end of
        each pair may be the selected one.
    Raises ValueError: a pair without a guard, or a pod of which nothing is known.
    """
    facts = {pod.name: pod for pod in map(pod_facts, pods)}
    policies = sorted(standing, key=lambda policy: str(policy["metadata"]["name"]))
    found: dict[str, Voider] = {}
    for one, other in pairs:
        for name in (one, other):
            if name not in facts:
                raise ValueError(f"nothing is known of pod {name}, so no policy can be judged for it")
        ends = {one, other}
        selected = [{one}, {other}] if guards is None else [ends & set(guards)]
        if not all(selected):
            raise ValueError(f"no policy of the cut would select {one} or {other}")
        for source, target in ((one, other), (other, one)):
            for plane, port in ports.items():
                for guarded in selected:
                    wire = _Wire(facts[source], facts[target], plane, port, namespace_labels)
                    for voider in _voiders(policies, wire, guarded):
                        found.setdefault(voider.policy, voider)
    return [found[name] for name in sorted(found)]


class _Wire(NamedTuple):
    """One connection that may be opened."""

    source: PodFacts
    target: PodFacts
    plane: str
    port: int
    namespace_labels: Mapping[str, str]


def _voiders(policies: Sequence[JsonObject], wire: _Wire, guarded: Collection[str]) -> list[Voider]:
    """At a guarded end the connection passes only if a standing policy allows it; at another end, unless standing
    policies close it."""
    found, passes = [], True
    for direction, own, peer in (
        (Direction.EGRESS, wire.source, wire.target),
        (Direction.INGRESS, wire.target, wire.source),
    ):
        closed, allowing = own.name in guarded, []
        for policy in policies:
            name, applied = str(policy["metadata"]["name"]), applies(policy, direction, own)
            closed = closed or applied is True
            answer = all_of((applied, permits(policy, direction, own, peer, wire.port, wire.namespace_labels)))
            if own.name in guarded and applied is not False and _is_cut(policy):
                found.append(_voider(name, wire, own, ours=True))
            elif answer is not False:
                allowing.append(_voider(name, wire, own, answer))
        passes = passes and (not closed or bool(allowing))
        found += allowing if own.name in guarded else []
    return [voider for voider in found if passes or voider.ours]


def _is_cut(policy: JsonObject) -> bool:
    return is_ours(policy) and policy["metadata"]["labels"].get(ARTEFACT_LABEL) == Artefact.POLICY


def _voider(name: str, wire: _Wire, own: PodFacts, answer: Answer = True, *, ours: bool = False) -> Voider:
    doubt = answer.why if isinstance(answer, Doubt) else ""
    return Voider(name, wire.source.name, wire.target.name, wire.plane, wire.port, own.name, doubt, ours)
