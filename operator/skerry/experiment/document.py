"""The ChaosExperiment document: `Experiment` and what it is made of, apart from faults' and expectations' bodies."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)

from skerry.expectations.bodies import ExpectationBody
from skerry.expectations.registry import EXPECTATIONS
from skerry.faults.port import FaultBody
from skerry.faults.registry import FAULTS
from skerry.schema.base import (
    NAME_PATTERN,
    Duration,
    FaultName,
    Flag,
    Model,
    PositiveDuration,
    Text,
    exactly_one,
)
from skerry.schema.target_words import WordOfSomeTarget
from skerry.schema.vocabulary import Acks, TimingPreset
from skerry.targets import registry
from skerry.targets.port import Target

if TYPE_CHECKING:
    from skerry.schema.log import Placement, Topic

API_VERSION = "skerry.dev/v1alpha1"
KIND = "ChaosExperiment"

TIMEOUT_DEFAULT_NS = 240_000_000_000
RETAIN_DEFAULT_NS = 900_000_000_000
OCCURRENCES_MAX = 200
"""Most occurrences of one fault."""


class Cluster(Model):
    """The system under test."""

    stateful_set: Annotated[str, Strict(), Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=52)] | None = (
        None
    )
    """Kubernetes: an existing StatefulSet of this namespace. Other worlds start brokers of their own."""
    brokers: Annotated[int, Strict(), Field(ge=1, le=99)] = 3
    """How many brokers to start (sim, local), or that must be there (kubernetes)."""
    timing: TimingPreset = TimingPreset.DEFAULT
    """Relaxed: three times slower, for busy machines. Scales the brokers' timing and every duration limit of the
    expectations."""


class Workload(Model):
    """What is written and read while the faults happen."""

    producers: Annotated[int, Strict(), Field(ge=1, le=256)] = 4
    """How many clients write; each keeps a window of unanswered requests per partition."""
    consumers: Annotated[int, Strict(), Field(ge=0, le=256)] = 2
    """How many clients read, each every partition from its beginning."""
    rate_per_second: Annotated[int, Strict(), Field(ge=1, le=1_000_000)] = 400
    """Records per second of all producers together; open loop: a slow answer does not slow the next request down."""
    acks: Acks = Acks.ALL
    """What a producer waits for. None: nothing. Leader: the leader alone. All: every in-sync replica."""
    idempotent: Flag = True
    """Producers number their records, so that a retry is never a duplicate. Needs `acks: All`."""
    record_bytes: Annotated[int, Strict(), Field(ge=16, le=1_000_000)] = 256
    """The size of each record's value."""

    @model_validator(mode="after")
    def _consistent(self) -> Workload:
        if self.idempotent and self.acks is not Acks.ALL:
            change = "change one of them"
            if "idempotent" not in self.model_fields_set:
                change = "it is true unless it is said: write `idempotent: false`"
            raise ValueError(f"`idempotent: true` needs `acks: All`, and acks is {self.acks}; {change}")
        return self


class Repeat(Model):
    """The fault happens again and again."""

    times: Annotated[int, Strict(), Field(ge=2, le=OCCURRENCES_MAX)] | None = None
    """How often in all."""
    until_ns: PositiveDuration | None = None
    """No occurrence begins later than this after the first one was due."""
    every_ns: PositiveDuration
    """The time from one start to the next."""
    jitter_ns: Duration = 0
    """Each start but the first is late by a random time up to this, drawn from the run's seed."""

    @model_validator(mode="after")
    def _consistent(self) -> Repeat:
        exactly_one(self, ("times", "until_ns"), "how long it repeats")
        if self.until_ns is not None and self.until_ns // self.every_ns + 1 > OCCURRENCES_MAX:
            raise ValueError(f"would happen more than {OCCURRENCES_MAX} times; raise `every` or lower `until`")
        return self

    @property
    def count(self) -> int:
        """How many occurrences, the first included."""
        return self.times if self.times is not None else (self.until_ns or 0) // self.every_ns + 1


class _Fault(Model):
    name: FaultName
    """Unique in the experiment; `following` and the expectations refer to it."""
    start_after_ns: Duration = 0
    """After the steady state; with `following`, after that fault took effect. Default 0s."""
    following: FaultName | None = None
    """The fault that this one waits for."""
    duration_ns: PositiveDuration | None = None
    """How long it lasts from the moment it took effect. Kill, wipe and power cuts have `downFor` instead."""
    repeat: Repeat | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Fault:
        kind = exactly_one(self, tuple(FAULTS), "the fault")
        lasts = self.body.lasts_ns()
        if lasts is None and self.duration_ns is None:
            raise ValueError(f"`duration` is missing: how long does the {kind} last?")
        if lasts is not None and self.duration_ns is not None:
            ending = FAULTS[kind].ending
            instead = f"; its own field `{ending.field}` says how long" if ending else ""
            raise ValueError(f"`duration` has no meaning for {kind}{instead}")
        if self.repeat and self.repeat.every_ns < self.lasts_ns + self.repeat.jitter_ns:
            raise ValueError(
                "`repeat.every` is shorter than the fault lasts (with its jitter): occurrences would overlap; raise it"
            )
        return self

    @property
    def kind(self) -> str:
        """The field of the body: `partition`, `kill` ..."""
        return next(kind for kind in FAULTS if getattr(self, kind) is not None)

    @property
    def body(self) -> FaultBody:
        body = getattr(self, self.kind)
        assert isinstance(body, FaultBody)
        return body

    def on_planes(self, planes: tuple[str, ...]) -> Fault:
        """The same, on these planes where it is of links and names none."""
        return self.model_copy(update={self.kind: self.body.on_planes(planes)})

    @property
    def lasts_ns(self) -> int:
        """How long one occurrence lasts, from its effect to its heal."""
        lasts = self.body.lasts_ns()
        return lasts if lasts is not None else self.duration_ns or 0

    @property
    def span_ns(self) -> int:
        """From the start of the first occurrence to the heal of the last, at most."""
        if self.repeat is None:
            return self.lasts_ns
        return self.repeat.every_ns * (self.repeat.count - 1) + self.repeat.jitter_ns + self.lasts_ns


if TYPE_CHECKING:
    Fault = _Fault
else:
    Fault = create_model(
        "Fault",
        __base__=_Fault,
        __module__=__name__,
        __doc__="One fault: when it happens, and exactly one of the bodies that say what.",
        **{kind: (each.body | None, None) for kind, each in FAULTS.items()},
    )


ExpectationName = Annotated[str, Strict(), Field(pattern=NAME_PATTERN, min_length=1, max_length=80)]


class _Expectation(Model):
    name: ExpectationName
    """Unique in the experiment; its name in the report."""

    @model_validator(mode="after")
    def _consistent(self) -> Expectation:
        exactly_one(self, RULE_ATTRIBUTES, "the rule")
        return self

    @cached_property  # asked again and again, and found only by trying them all
    def rule(self) -> str:
        """The field of the body as written: `leaderChange`, `writesRefused` ..."""
        return next(word for word, each in EXPECTATIONS.items() if getattr(self, each.attribute) is not None)

    @property
    def body(self) -> ExpectationBody:
        body = getattr(self, EXPECTATIONS[self.rule].attribute)
        assert isinstance(body, ExpectationBody)
        return body

    def with_body(self, body: ExpectationBody) -> Expectation:
        """The same with another body of the same kind."""
        return self.model_copy(update={EXPECTATIONS[self.rule].attribute: body})


RULE_ATTRIBUTES = tuple(each.attribute for each in EXPECTATIONS.values())

if TYPE_CHECKING:
    Expectation = _Expectation
else:
    Expectation = create_model(
        "Expectation",
        __base__=_Expectation,
        __module__=__name__,
        __doc__="One expectation: its name in the report, and exactly one of the rules.",
        **{each.attribute: (each.body | None, None) for each in EXPECTATIONS.values()},
    )


def _known_target(name: str) -> str:
    if name not in registry.names():
        raise ValueError(f"there is no target `{name}`; the targets are {', '.join(registry.names())}")
    return name


class _Spec(Model):
    hypothesis: Annotated[str, Strict(), Field(min_length=1, max_length=1000)]
    """What you believe, in one sentence; it stands at the top of the report."""
    target: Annotated[str, Strict(), Field(max_length=30), AfterValidator(_known_target)] = registry.DEFAULT
    """The system under test: the name of a target. Default `skerry`, the broker of this project."""
    cluster: Cluster = Cluster()
    workload: Workload = Workload()
    seed: Annotated[int, Strict(), Field(ge=0, le=2**53 - 1)] | None = None
    """The seed of everything random in the run. Default: chosen by the runner and printed."""
    timeout_ns: PositiveDuration = TIMEOUT_DEFAULT_NS
    """The whole run; when it is over everything is healed and the verdict is Inconclusive. Default 4m."""
    retain_ns: Duration = RETAIN_DEFAULT_NS
    """How long the workload pod keeps serving report and history. Default 15m."""
    dry_run: Flag = False
    """Targets and predicted effect only; nothing is injected."""
    prometheus_url: Annotated[str, Strict(), Field(pattern=r"^https?://[^\s]+$", max_length=300)] | None = None
    """For `promql` expectations."""
    allow: Annotated[
        tuple[Annotated[str, Strict(), WordOfSomeTarget(registry.allowances)], ...], Field(max_length=8)
    ] = ()
    """What the plan may do on purpose; the target says what there is to allow. The guard refuses a plan that needs one
    which is not listed."""
    faults: Annotated[tuple[Fault, ...], Field(min_length=1, max_length=16)]
    """What is broken, and when. Names are unique."""
    expect: Annotated[tuple[Expectation, ...], Field(max_length=32)] = ()
    """What must be true. Names are unique. What is owed to every acknowledged write is checked without being asked."""

    @field_validator("faults")
    @classmethod
    def _on_planes_of_the_target(cls, faults: tuple[Fault, ...], info: ValidationInfo) -> tuple[Fault, ...]:
        """A fault of links that names no planes takes those on which the target's nodes talk to each other. That is
        said once, here: all that read the document find them in it."""
        target = info.data.get("target")  # absent: it is no target, which is said elsewhere
        return (
            faults if target is None else tuple(each.on_planes(registry.target(target).peer_planes) for each in faults)
        )


if TYPE_CHECKING:

    class Spec(_Spec):
        """With the words that targets declare, as far as they are read elsewhere than in the target."""

        topic: Topic
        prepare: Placement | None
else:
    Spec = create_model(
        "Spec",
        __base__=_Spec,
        __module__=__name__,
        __doc__="What is broken, what runs meanwhile, and what must be true.",
        **{
            attribute: (word.model, word.model())
            if word.always
            else (word.model | None, Field(None, description=word.meaning or word.model.__doc__))
            for attribute, word in registry.words().items()
        },
    )


class Metadata(Model):
    """What Kubernetes keeps about the object; only the name matters here."""

    model_config = ConfigDict(extra="ignore")
    name: Annotated[str, Strict(), Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=50)]
    """Part of the names of Kubernetes objects."""
    namespace: Text | None = None


class Experiment(Model):
    """A whole document."""

    api_version: Literal["skerry.dev/v1alpha1"]
    kind: Literal["ChaosExperiment"]
    metadata: Metadata
    spec: Spec
    status: Any = None
    """Ignored; so that a document can be read back from the cluster."""

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def target(self) -> Target:
        """What the system under test is."""
        return registry.target(self.spec.target)

    @property
    def part(self) -> Any:
        """What the document says to its target alone; None: nothing, or the target has no part of its own."""
        return getattr(self.spec, self.spec.target, None)

    @property
    def metrics(self) -> frozenset[str]:
        """The names of the metrics that its expectations need sampled."""
        return frozenset(name for each in self.spec.expect for name, _ in each.body.metrics())

    def limit_ns(self, ns: int) -> int:
        """A duration limit of an expectation, scaled by `cluster.timing`."""
        return ns * self.spec.cluster.timing.factor

    def fault(self, name: str) -> Fault:
        """Raises KeyError when no fault has this name."""
        for fault in self.spec.faults:
            if fault.name == name:
                return fault
        raise KeyError(name)
