"""The port of a target: what a system under test must say of itself, and what it may say.

One folder per target; its ``TARGET`` is a `Target`. The description is pure data and pure functions: to import it opens
no socket and needs no library of the system. What performs I/O stands behind ``connect``, which imports its own parts.

A target *must* say: its name, the model of what a client can do, its planes, the words for its roles, by which rules a
cluster of it is judged while a run goes on, how a running cluster is reached, and what it owes to a write. It *may*
say: how a node is launched on this machine, what its pods look like, which of its metrics are stamps, and which part of
the document is its own. Everything works without what it does not say, and says what is missing. What has a body in
the protocols below need not be said either: who inherits from them has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from skerry.targets.guarantees import GuaranteeTable
from skerry.targets.word import Word

if TYPE_CHECKING:
    from skerry.engine.observation import BrokerView, LinkView, Observation, ProcessState
    from skerry.experiment.document import Experiment, Spec
    from skerry.faults.port import Effect
    from skerry.history.records import ElectionSeen, ReplicaDump, StatusSample
    from skerry.schema.base import Model
    from skerry.targets.pod_shape import PodShape
    from skerry.workload.operations import ClientSpec


class DataModel(StrEnum):
    """What a client can do, and therefore what is checked."""

    LOG = "log"
    """Append to a partition, read from an offset on: `workload.log`, `checker.models.log`."""
    REGISTER = "register"
    """Put, get, compare-and-swap of a key: `workload.register`, `checker.models.register`."""


class RoleKind(StrEnum):
    """What a role of a target is, whatever its word for it."""

    LEADER = "leader"
    """It leads one unit (a partition, a shard, or the only group there is)."""
    FOLLOWER = "follower"
    IN_SYNC_FOLLOWER = "inSyncFollower"
    CONTROLLER = "controller"
    NON_CONTROLLER = "nonController"
    OTHER = "other"
    """Every node that no other target of the same fault names."""
    ALL = "all"

    @property
    def of_unit(self) -> bool:
        """It is held for one unit, where a system has several."""
        return self in (RoleKind.LEADER, RoleKind.FOLLOWER, RoleKind.IN_SYNC_FOLLOWER)

    @property
    def single(self) -> bool:
        """One node has it at a time."""
        return self in (RoleKind.LEADER, RoleKind.CONTROLLER)

    @property
    def everybody(self) -> bool:
        """All that fit are meant where no number is given. These two have the same words in every system."""
        return self in (RoleKind.OTHER, RoleKind.ALL)


class Holders(NamedTuple):
    """Who has a role."""

    ordinals: tuple[int, ...]
    """In the order in which they are to be taken."""
    evidence: str = ""
    """In which term or epoch; empty: the role has none."""
    vacant: str = ""
    """Why nobody has it, as words, when there is more to say than that."""


class Roles(Protocol):
    """Who has which role at one moment: what the nodes say of themselves, put together."""

    @property
    def sampled_ns(self) -> int:
        """When the newest sample in it was asked; -1: there is none."""
        ...

    def holders(self, kind: RoleKind, unit: int) -> Holders:
        """``unit``: of which partition or shard; 0 of a system that is one group. OTHER and ALL are not asked for."""
        ...


class Prediction(Protocol):
    """What becomes of the cluster while something is taken from it."""

    @property
    def sentence(self) -> str: ...


R = TypeVar("R", bound=Roles)
P = TypeVar("P", bound=Prediction)


class ClusterRules(Protocol[R, P]):
    """By what the conductor goes: who has which role, whether all is well, what a fault would do. Pure, and of one
    document; what is wrong is said as words, and an empty text means that nothing is."""

    @property
    def units(self) -> Mapping[int, str]:
        """What is written to, by number, and what each is called. All of them are written all the time."""
        ...

    def roles(self, observation: Observation, oldest_ns: int = -1) -> R:
        """By the samples that were asked at ``oldest_ns`` or later."""
        ...

    def assumed(self, observation: Observation | None = None) -> R:
        """What a plan assumes, before the run has made what it writes to. ``observation``: of the nodes as they are;
        what the run will not change is believed to them."""
        ...

    @property
    def places(self) -> bool:
        """The document wants somebody to have a role before the faults; `misplaced` says who has not yet."""
        ...

    @property
    def certain(self) -> bool:
        """What is predicted for `assumed` holds whichever node will have which role."""
        ...

    def missing(self, roles: R) -> str:
        """What is missing to a cluster that nothing is taken from."""
        ...

    def misplaced(self, roles: R) -> str:
        """Who does not stand where the document wants it before the faults."""
        ...

    def predict(self, effect: Effect, roles: R) -> P:
        """What becomes of it, at worst, as long as it behaves."""
        ...

    def refusals(self, predictions: Sequence[P]) -> list[str]:
        """Sentences for what would happen and is not allowed by the document; empty: go ahead."""
        ...


AnyRules = ClusterRules[Any, Any]


class PlanePort(NamedTuple):
    """One network of a node."""

    name: str
    """As `planes` of a fault says it, or as the target calls a port that no fault may take."""
    between_nodes: bool
    """Nodes talk to each other on it: a fault of their links can take it, and takes it where it names no planes."""
    replicates: bool = False
    """What is written goes from node to node on it."""
    off_limits: bool = False
    """Nodes are looked at on it: no fault may take it, and no document can name it."""


class Reported(Protocol):
    """One node's own account of itself, translated on demand."""

    @property
    def pid(self) -> int:
        """The id of its process, as it sees itself; -1: it does not say."""
        ...

    @property
    def incarnation(self) -> str:
        """Changes whenever the process restarts."""
        ...

    @property
    def wall_ns(self) -> int:
        """The wall clock of its machine while it answered; 0: it does not say."""
        ...

    def view(self, ordinal: int, sampled_ns: int, process: ProcessState, process_sampled_ns: int) -> BrokerView: ...

    def sample(self, ordinal: int, before_ns: int, after_ns: int) -> StatusSample: ...

    def elections(self, seen_ns: int) -> Iterator[ElectionSeen]:
        """Every committed election that it still knows of; the same one may come again and again."""
        ...

    def stalls(self) -> Iterator[tuple[int, int, int]]:
        """(end, from, to) of each time when its process did not run, oldest first. The end is by a clock of its own
        and tells one stall from another; from and to are nanoseconds before this answer was made."""
        ...

    def links(self, ordinal: int, sampled_ns: int) -> list[LinkView]:
        """Its kept-open connections to its peers; empty when it does not report on them."""
        ...


class Admin(Protocol):
    """Asks nodes what they say of themselves. One that does not answer gives None or nothing, never an error."""

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        return None

    async def status(self, ordinal: int) -> Reported | None: ...

    async def check_links(self, ordinal: int, asked_ns: int, closely: bool) -> list[LinkView]:
        """What came of one new connection to every peer on every plane; empty when it does not do that."""
        return []

    async def metrics(self, ordinal: int, names: frozenset[str]) -> list[tuple[str, dict[str, str], float]]:
        """(name, labels, value) of every series of these metrics; empty when it has none."""
        return []


class Client(Protocol):
    """Carries out the operations of the target's data model."""

    async def perform(self, request: Any) -> Any:
        """``request`` and result are those of the model's ``operations``. Ends in the client's delivery timeout, and
        raises nothing for a failure of the cluster."""
        ...

    async def close(self) -> None:
        return None


Seen = Callable[[], Sequence["BrokerView"]]
"""The latest views of all nodes."""


class System(Protocol):
    """A running cluster, as clients and the sampler reach it."""

    def client(self, spec: ClientSpec) -> Client: ...

    def admin(self) -> Admin: ...

    async def fetch_dumps(
        self, experiment: Experiment, seen: Seen, ends: Mapping[int, int], directory: Path
    ) -> Sequence[ReplicaDump]:
        """What the disks of the running nodes hold, as far as they give it away; files go to ``directory``.

        ``ends``: where the final read found the end of each unit. Raises OSError when a file cannot be written."""
        return ()

    async def remove_leftovers(self, *, own: bool) -> None:
        """Remove what runs have made for themselves in the cluster: ``own``, of this run; else, of all others. What
        cannot be removed is left for the next run."""
        return None


class NodePlace(NamedTuple):
    """Where one node runs, on 127.0.0.1 of this machine."""

    ordinal: int
    ports: Mapping[str, int]
    """Plane -> port to listen on."""
    peers: Mapping[int, Mapping[str, int]]
    """Ordinal -> plane -> the port through which *this* node reaches that peer; of a target with ``one_address`` the
    node itself is among them."""
    data_directory: Path
    timing: str
    """`cluster.timing` of the document."""


class Launch(Protocol):
    """How a node is started as a process of this machine, and what it leaves on its disk."""

    stop_s: float = 8.0
    """How long a node may take to stop in order when a run is over; then it is killed."""

    def missing(self) -> str:
        """Why nothing can be started here (no binary), as a sentence that says what to do; empty: it can."""
        return ""

    def command(self, place: NodePlace) -> list[str]:
        """The program and its arguments. SIGTERM stops it in order."""
        ...

    def dumps(
        self, experiment: Experiment, directories: Mapping[int, Path], ends: Mapping[int, int]
    ) -> list[ReplicaDump]:
        """What the stopped nodes left: ordinal -> data directory. Empty where it cannot be read."""
        return []


class Stamps(NamedTuple):
    """Metrics whose value is a moment (seconds since 1970), from which intervals are read whatever the scraping."""

    leader_elected: str
    """One series per election."""
    in_sync: str
    """When everything was in sync again."""


class Own(NamedTuple):
    """How a run keeps to itself in a cluster that outlives it, and that others use, too."""

    document: Callable[[Experiment, str], Experiment]
    """(document, uid of its resource) -> the document as it is run: what it writes to is the run's own."""
    query: Callable[[Experiment, str], str]
    """(document as it is run, a PromQL query as it is written there) -> what Prometheus is asked."""


Addresses = Mapping[int, Mapping[str, str]]
"""Ordinal -> plane -> host:port."""


@dataclass(frozen=True)
class Target:
    """A system under test. What is None it does not say."""

    name: str
    """As `spec.target` says it."""
    title: str
    """One line for people: what it is."""
    model: DataModel
    planes: tuple[PlanePort, ...]
    """In the order in which its nodes take their ports."""
    roles: Mapping[str, RoleKind]
    """The words of the document -> what they mean. `Other` and `All` are among them."""
    allowances: tuple[str, ...]
    """What a document may `allow` a plan to do; ``rules`` refuse a plan that needs one which is not allowed."""
    rules: Callable[[Spec], AnyRules]
    connect: Callable[[Addresses, Experiment], System]
    """Opens nothing yet."""
    owes: GuaranteeTable
    """To a write, by how it was asked for."""
    partitions: str = ""
    """The attribute of the document that says how many partitions there are, `topic.partitions`, where leaders and
    followers are those of one; empty: all nodes are one group."""
    replicas: str = ""
    """The same of how many nodes hold one partition."""
    words: Mapping[str, Word] = field(default_factory=dict)
    """Fields of `spec` (as attributes) that mean something to a target that declares them, and to no other."""
    part: type[Model] | None = None
    """Its own part of the document, the field of `spec` with the target's name."""
    launch: Callable[[], Launch] | None = None
    pods: Callable[[], PodShape] | None = None
    own: Callable[[], Own] | None = None
    simulated: bool = False
    """The simulator has its nodes: it runs their own code in virtual time."""
    rejoins_empty: bool = False
    """A node that comes back with an empty data directory finds its way into the cluster by itself."""
    reports_links: bool = False
    """Its nodes say of their links what they measure of them; without that, no fault of links can be verified."""
    one_address: bool = False
    """A node is known to all others, and to itself, by one address, because that is part of what it is. Then a proxy in
    between cannot tell by its port who speaks."""
    stamps: Stamps | None = None

    @property
    def declared(self) -> Mapping[str, Word]:
        """Its fields of `spec`, its own part included."""
        return self.words if self.part is None else {**self.words, self.name: Word(self.part)}

    @property
    def partitioned(self) -> bool:
        """Leaders and followers are those of one partition, and a document says which."""
        return bool(self.partitions)

    def of_partition(self, role: str) -> bool:
        """Whether the role is held for one partition, and a document must say for which."""
        return self.partitioned and role in self.roles and self.roles[role].of_unit

    @property
    def peer_planes(self) -> tuple[str, ...]:
        """The planes that a partition between nodes can take."""
        return tuple(str(plane.name) for plane in self.planes if plane.between_nodes)

    @property
    def planes_named(self) -> tuple[str, ...]:
        """The planes that a document can name."""
        # a target may write them as an enum, and a document holds plain texts
        return tuple(str(plane.name) for plane in self.planes if not plane.off_limits)

    @property
    def replicating(self) -> frozenset[str]:
        """The planes on which a write reaches the other nodes."""
        return frozenset(plane.name for plane in self.planes if plane.replicates)


def addresses_on_loopback(ports: Sequence[Mapping[str, int]]) -> Addresses:
    """``ports``: of each node, in the order of their ordinals."""
    return {ordinal: {plane: f"127.0.0.1:{port}" for plane, port in each.items()} for ordinal, each in enumerate(ports)}
