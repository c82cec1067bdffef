"""What a fault is to everybody who does not know it by name."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, NamedTuple, Self, TypeVar

import msgspec

from skerry.faults.proof import Before, Proof
from skerry.faults.readings import Reading
from skerry.faults.samples import Samples
from skerry.schema.base import JsonObject, Model, alias_of
from skerry.schema.selectors import Selector

Groups = tuple[tuple[int, ...], ...]
"""Broker ordinals, group by group as `FaultBody.target_groups` lists them."""
Hold = str
"""A broker, or an ordered pair on a plane, as a sentence names it."""
Path = tuple[str | int, ...]
"""Where something stands in a document."""


class OccurrenceId(NamedTuple):
    """One happening of a fault; ``number`` is 0 for a fault that does not repeat. Names of objects carry both."""

    fault: str
    number: int

    def __str__(self) -> str:
        return f"{self.fault}#{self.number}"


class Feature(str):
    """Something that a world can do or cannot; the text is how it is called in a sentence."""

    __slots__ = ()


class Effect(msgspec.Struct, frozen=True):
    """What a fault takes away: brokers that are gone, and ordered pairs that cannot talk on a plane."""

    down: frozenset[int] = frozenset()
    cut: frozenset[tuple[int, int, str]] = frozenset()

    def talks(self, a: int, b: int, plane: str) -> bool:
        """Both ways: a request and its answer arrive."""
        return not ({a, b} & self.down) and (a, b, plane) not in self.cut and (b, a, plane) not in self.cut

    def merged(self, other: Effect) -> Effect:
        return Effect(self.down | other.down, self.cut | other.cut)


class Absence(Enum):
    """Whether the victims are there while the fault lasts."""

    NEVER = "never"
    """They are there."""
    AT_TIMES = "at times"
    """Some are away some of the time; it is not certain who and when."""
    ALWAYS = "always"
    """All of them are away from the effect to the heal."""


class Relies(Enum):
    """What a fault needs of the system under test, so that it can be proven or undone."""

    LINK_REPORTS = "link reports"
    """The nodes say of their links what they measure of them."""
    EMPTY_REJOIN = "empty rejoin"
    """A node that comes back without its data finds its way into the cluster by itself."""


class FaultBody(Model):
    """The part of a document that says what happens; when it happens stands beside it."""

    @abstractmethod
    def target_groups(self) -> tuple[tuple[Selector, ...], ...]:
        """The targets that it means, in the order of resolution: sides of a partition, else one group of victims."""

    def lasts_ns(self) -> int | None:
        """How long the victims are gone by the fault's own fields; None: `duration` is required and says it."""
        return None

    @property
    def pairwise(self) -> bool:
        """The groups are pairs of their own, two by two: a broker may stand in several, and `Other` means everybody but
        the other end of the same pair. False: a broker stands in one group only."""
        return False

    @property
    def groups_count(self) -> int | None:
        """How many groups an expectation can name; None: it has no groups that could be named."""
        return 1

    @property
    def planes_named(self) -> tuple[str, ...]:
        """The planes that it takes, of a fault of links; empty: it takes none, or all."""
        return ()

    def on_planes(self, planes: tuple[str, ...]) -> Self:
        """The same where it names no planes and could: on these, on which the nodes talk to each other."""
        return self

    def problems(self) -> Iterator[tuple[Path, str]]:
        """What is wrong with it that its models cannot see: where, and a sentence."""
        yield from ()

    def never_shows(self, lasts_ns: int) -> str:
        """Why it cannot be seen when it lasts so long, as a sentence; empty: it can."""
        return ""

    def targets_named(self) -> Iterator[tuple[Path, Selector]]:
        """Every target with the place where it stands in this body."""
        yield from _targets_in(self, ())


class ResolvedFault(msgspec.Struct, frozen=True):
    """A fault with concrete broker ordinals, as a world carries it out. Its tag is the document's word for it."""

    @property
    def kind(self) -> str:
        """The document's own word for it."""
        return str(self.__struct_config__.tag)

    @property
    @abstractmethod
    def victims(self) -> frozenset[int]:
        """Every ordinal whose behaviour the fault may explain (both ends of a cut)."""

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Ordered pairs (source, target) whose packets it touches; empty: it touches brokers, not links."""
        return ()

    @property
    def empty(self) -> bool:
        """It would break nothing: a link to itself, a group of one."""
        return not self.victims

    @property
    def shows_after_ns(self) -> int:
        """How long it takes at least until it can be seen (an fsync that takes long must have taken long)."""
        return 0

    @property
    def begin_unsure_ns(self) -> int:
        """How much later than it began it may be measured to have begun, because nothing tells any closer."""
        return 0

    def gone_shows_after_ns(self, lasted_ns: int) -> int:
        """How long it takes until its end can be seen, once it has lasted so long."""
        return 0

    def slack_ns(self, lasts_ns: int) -> int:
        """How much later than asked for it may be seen to begin and to end. Its own end lies behind that, or it would
        be taken for its heal."""
        return self.settling_ns + self.shows_after_ns + self.gone_shows_after_ns(lasts_ns)

    @property
    def holds(self) -> frozenset[Hold]:
        """What it holds while it lasts; no two faults may hold the same."""
        return frozenset(f"broker {ordinal}" for ordinal in self.victims)

    @abstractmethod
    def effects(self) -> tuple[Effect, ...]:
        """The states that the cluster goes through: one, except for faults that take one broker after the other."""

    @property
    def settling_ns(self) -> int:
        """How long its beginning takes by its own fields (a graceful stop)."""
        return 0

    @property
    def gradual(self) -> bool:
        """It takes its victims one after the other, is in effect from the first on, and ends by itself with the
        last."""
        return False

    def without(self, spared: frozenset[int]) -> ResolvedFault:
        """What there is of one that was broken off before it came to ``spared``; only a gradual one can be."""
        return self

    def injection_bound_ns(self, inject_ns: int, heal_ns: int) -> int:
        """Within what its injection must be reported as done.

        ``inject_ns``: what every injection may take.
        ``heal_ns``: what the return of a broker may take."""
        return inject_ns + self.settling_ns

    def shortened(self) -> ResolvedFault:
        """Without what makes it long and is not needed to undo it, for a journal of bounded lines."""
        return self


class Ending(NamedTuple):
    """A field of the fault's own that says how long it lasts, in place of `duration`."""

    field: str
    """As it is written: `downFor`."""
    what: str
    """What the sentence names: ``power cuts``."""
    when: str = ""
    """CEL over the fault ``{0}``: when this is so; empty: whenever it is given."""
    counts: bool = True
    """The field is the time from effect to heal; False: it only takes the place of `duration`."""


class GroupsRule(NamedTuple):
    """CEL over the fault ``{0}`` for a body whose groups an expectation can name."""

    size: str
    """How many there are."""
    none: str
    """It has none that can be named."""


B = TypeVar("B", bound=FaultBody)
R = TypeVar("R", bound=ResolvedFault)


@dataclass(frozen=True)
class FaultType(Generic[B, R]):
    """A fault, as the registry knows it."""

    body: type[B]
    resolved: type[R]
    features: tuple[Feature, ...]
    """All that it can need of a world, in the order in which they are documented."""
    concrete: Callable[[B, Groups], R]
    """What a world is asked to do, once it is known who is meant."""
    needs: Callable[[B], Iterable[Feature]]
    read: Callable[[R, Samples, Before, tuple[ResolvedFault, ...]], Iterable[Reading]]
    """(fault, samples, before, other active faults) -> what they say of each thing that it must take or leave alone."""
    proven: Callable[[R], str]
    """What was seen, as words, when all of it is taken."""
    healed: Callable[[R, int, Samples, Before, tuple[ResolvedFault, ...]], Proof]
    """(fault, since_ns, samples, before, other active faults) -> is it gone?"""
    weigh: Callable[[R, Before, Mapping[str, Sequence[int]]], str] = lambda fault, before, measures: ""
    """(fault, before, how strongly each thing was taken while it lasted) -> why that is not what was asked for."""
    disproof: Callable[[R, Samples, int], str] = lambda fault, samples, gone_after_ns: ""
    """(fault, samples, how long after the order it was in effect) -> the last word, when it is gone: what shows that it
    was not what was asked for; empty: nothing."""
    absence: Callable[[B], Absence] = lambda body: Absence.NEVER
    relies: frozenset[Relies] = frozenset()
    ends_processes: bool = False
    """It may end its victims' processes, so that they come back under another incarnation."""
    may_lose_disk: Callable[[B | None, str], bool] = lambda body, flush: False
    """(body, or None when the document is not known; flush policy) -> may take what was acknowledged."""
    shows_on_kept_links: bool = False
    """Kept connections fall silent when it begins; nodes that look closely around then can tell the moment."""
    stops_leader: Callable[[B, frozenset[str]], bool] = lambda body, replicating: False
    """(body, the planes on which a write reaches other nodes) -> a leader that is its only victim (or is alone on its
    side) cannot have a write acknowledged by all replicas."""
    silenced: Callable[[B | None, frozenset[str]], frozenset[str]] = lambda body, planes: frozenset()
    """(body, or None when the document is not known; all planes) -> on which of them connections of its victims, or
    across its pairs, must fail while it lasts."""
    slows: bool = False
    """Round trips across its pairs are longer while it lasts."""
    rules: dict[str, tuple[JsonObject, ...]] = field(default_factory=dict)
    """Name of a model -> what the API server checks wherever one stands."""
    lasting: str = ""
    """CEL over the fault ``self``: `duration` is required; empty: whenever the body is given, unless ``ending``."""
    ending: Ending | None = None
    groups: GroupsRule | None = None
    documented: tuple[tuple[str, type[Model]], ...] = ()
    """Further models of its own for the reference page, with their titles."""

    @property
    def kind(self) -> str:
        """The field of the document."""
        return str(self.resolved.__struct_config__.tag)


AnyFaultType = FaultType[Any, Any]


def _targets_in(value: object, path: Path) -> Iterator[tuple[Path, Selector]]:
    if isinstance(value, Selector):
        yield path, value
    elif isinstance(value, tuple):
        for index, each in enumerate(value):
            yield from _targets_in(each, (*path, index))
    elif isinstance(value, Model):
        for attribute, info in type(value).model_fields.items():
            yield from _targets_in(getattr(value, attribute), (*path, info.alias or alias_of(attribute)))
