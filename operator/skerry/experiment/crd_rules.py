"""What the models check, once more in CEL, so that the API server refuses at once what the operator would refuse.

One table from model to rules; `schema` attaches them wherever the model occurs. The messages use the words of the
models. A rule is never stricter than the models.

The rules use optional types (`self.?topic`), hence Kubernetes 1.29 or newer. Every list, map and text that they walk is
bounded: the API server adds up the worst case and refuses a CRD that is too dear.
"""

from __future__ import annotations

from skerry.experiment.crd_spec_rules import JITTER_NS, LASTS_NS, SPEC_RULES
from skerry.experiment.document import OCCURRENCES_MAX, RULE_ATTRIBUTES, Workload
from skerry.experiment.expectations.metric import LABEL_NAME_LENGTH_MAX, LABEL_NAME_PATTERN
from skerry.experiment.faults import FAULTS
from skerry.schema.base import LABEL_PATTERN, JsonObject, alias_of
from skerry.schema.cel import any_flag, at_most_one, exactly_one, or_default, rule, words
from skerry.schema.targets import PARTITION_ROLES, SINGLE_ROLES
from skerry.schema.vocabulary import Role

_NO_TIME = "duration('0s')"
_LASTING = ("partition", "slow", "pause", "clock")
_ENDING = ("kill", "restart", "wipe")
_POWER_CUT = ("loseUnsynced", "tornWrite", "bitFlip")


def _damage_lasts(variable: str) -> str:
    return f"({variable}.?fsyncError.orValue(false) || duration({variable}.?slowBy.orValue('0s')) > {_NO_TIME})"


def _has_one(names: tuple[str, ...]) -> str:
    return " || ".join(f"has(self.{name})" for name in names)


_FAULT = (
    exactly_one("the fault", tuple(FAULTS)),
    rule(
        f"has(self.duration) || !({_has_one(_LASTING)} || has(self.disk) && {_damage_lasts('self.disk')})",
        "`duration` is missing: how long does the fault last?",
    ),
    rule(
        f"!has(self.duration) || !({_has_one(_ENDING)} || has(self.disk) && {any_flag('self.disk', _POWER_CUT)})",
        "`duration` has no meaning for kill, restart, wipe and power cuts; "
        "their own field (`downFor`, `pauseBetween`) says how long",
    ),
    rule(
        "!has(self.repeat) || "
        f"int(duration(self.repeat.every)) >= {LASTS_NS.format('self')} + {JITTER_NS.format('self')}",
        "`repeat.every` is shorter than the fault lasts (with its jitter): occurrences would overlap; raise it",
    ),
)

_PLANES_ONCE = rule(
    "!has(self.planes) || self.planes.all(p, self.planes.exists_one(q, q == p))",
    "`planes` names one plane twice; name each once",
)


def _is(role: Role) -> str:
    """The target `t` has this role."""
    return f"t.?role.orValue('') == '{role}'"


_WINDOW = at_most_one("the window", ("during", "afterHealOf"))
_SUBJECT = exactly_one("whose epoch is meant", ("partition", "controller"))
_COMPARISON = (
    rule(
        "!has(self.equals) || !(has(self.atMost) || has(self.atLeast))",
        "`equals` cannot be combined with `atMost` or `atLeast`",
    ),
    rule(
        "has(self.equals) || has(self.atMost) || has(self.atLeast)",
        "the limit is missing: give `equals`, or `atMost` and/or `atLeast`",
    ),
    rule(
        "!has(self.atMost) || !has(self.atLeast) || double(self.atLeast) <= double(self.atMost)",
        "the limit can never hold: `atLeast` is above `atMost`",
    ),
)

ROOT_RULES = (
    rule(
        "self.metadata.name.size() <= 50",
        "must be at most 50 characters long: it is part of other objects' names",
        "metadata.name",
    ),
    rule(
        f"self.metadata.name.matches('{LABEL_PATTERN}')",
        "must be lower-case letters, digits and `-`, beginning and ending with a letter or digit",
        "metadata.name",
    ),
)

RULES: dict[str, tuple[JsonObject, ...]] = {
    "Spec": SPEC_RULES,
    "Workload": (
        rule(
            f"{or_default(Workload, 'acks', 'self')} == 'All' || !{or_default(Workload, 'idempotent', 'self')}",
            "`idempotent: true` needs `acks: All`; change one of them (idempotent is true unless it is said)",
        ),
    ),
    "Placement": (
        rule(
            "!has(self.leaders) || self.leaders.all(p, self.leaders.exists_one(q, q.partition == p.partition))",
            "`leaders` names a partition that already has a leader; name each once",
        ),
    ),
    "Repeat": (
        exactly_one("how long it repeats", ("times", "until")),
        rule(
            "!has(self.until) || int(duration(self.every)) == 0 || "
            f"int(duration(self.until)) / int(duration(self.every)) < {OCCURRENCES_MAX}",
            f"it would happen more than {OCCURRENCES_MAX} times; raise `every` or lower `until`",
        ),
    ),
    "Target": (
        exactly_one("the broker", ("role", "ordinal")),
        rule(
            f"!(self.?role.orValue('') in {words(sorted(PARTITION_ROLES))}) || has(self.partition)",
            "the role needs `partition`: the leader or follower of which partition is meant?",
        ),
        rule(
            f"self.?role.orValue('') in {words(sorted(PARTITION_ROLES))} || !has(self.partition)",
            "`partition` has no meaning for this role, or an ordinal; remove it",
        ),
        rule(
            f"!has(self.count) || has(self.role) && !(self.role in {words(sorted(SINGLE_ROLES))})",
            "`count` has no meaning for this role, or an ordinal: there is one; remove it",
        ),
    ),
    "Side": (
        exactly_one("the side", ("fault", "ordinal")),
        rule("!has(self.group) || has(self.fault)", "`group` needs `fault`: the group of which fault is meant?"),
    ),
    "Fault": _FAULT,
    "PartitionFault": (
        exactly_one("what is cut", ("groups", "links")),
        _PLANES_ONCE,
        rule(
            f"!has(self.groups) || self.groups.filter(g, g.exists(t, {_is(Role.OTHER)})).size() <= 1 && "
            f"self.groups.all(g, g.filter(t, {_is(Role.OTHER)}).size() <= 1)",
            "only one target may be `Other` (the brokers that nothing else names)",
        ),
        rule(
            f"!has(self.groups) || !self.groups.exists(g, g.exists(t, {_is(Role.ALL)}))",
            "`All` cannot be a side: nobody would be left on the other; use `Other`",
        ),
        rule(
            "!has(self.groups) || self.groups.all(g, g.all(t, !has(t.ordinal) || "
            "g.exists_one(u, u == t) && self.groups.exists_one(h, t in h)))",
            "a broker stands on two sides",
        ),
    ),
    "SlowFault": (
        rule(
            f"[?self.?latency, ?self.?jitter].exists(d, duration(d) > {_NO_TIME}) || "
            "self.?lossPercent.orValue(0) > 0 || self.?rateKbps.orValue(0) > 0",
            "changes nothing: give at least one of `latency`, `lossPercent`, `rateKbps`",
        ),
        rule(
            "duration(self.?jitter.orValue('0s')) <= duration(self.?latency.orValue('0s'))",
            "`jitter` must not exceed `latency`: packets cannot arrive before they are sent",
        ),
        _PLANES_ONCE,
    ),
    "KillFault": (
        rule(
            "self.how == 'PodDelete' || !has(self.gracePeriod)",
            "`gracePeriod` has no meaning for `how: Process`, which is SIGKILL; remove it",
        ),
    ),
    "RestartFault": (
        rule(
            f"self.?order.orValue('') != 'Together' || duration(self.?pauseBetween.orValue('0s')) == {_NO_TIME}",
            "`pauseBetween` has no meaning for `order: Together`; remove it",
        ),
    ),
    "DiskFault": (
        rule(
            f"!{any_flag('self', _POWER_CUT)} || !{_damage_lasts('self')}",
            "mixes a power cut (`loseUnsynced`, `tornWrite`, `bitFlip`) with a lasting damage "
            "(`fsyncError`, `slowBy`); write two faults",
        ),
        rule(
            f"{any_flag('self', _POWER_CUT)} || {_damage_lasts('self')}",
            "changes nothing: give one of `loseUnsynced`, `tornWrite`, `bitFlip`, `fsyncError`, `slowBy`",
        ),
        rule(
            f"!{_damage_lasts('self')} || duration(self.?downFor.orValue('0s')) == {_NO_TIME}",
            "`downFor` goes with a power cut only; this damage lasts for the fault's `duration`",
        ),
    ),
    "ClockFault": (
        rule("has(self.jump) || self.?driftPpm.orValue(0) != 0", "changes nothing: give `jump` or `driftPpm`"),
        rule("!self.?backwards.orValue(false) || has(self.jump)", "`backwards` needs `jump`"),
    ),
    "Expectation": (exactly_one("the rule", tuple(alias_of(name) for name in RULE_ATTRIBUTES)),),
    "LeaderChange": (_SUBJECT,),
    "NoLeaderChange": (_SUBJECT,),
    "MaxWriteGap": (_WINDOW,),
    "Throughput": (_WINDOW,),
    "Available": (_WINDOW,),
    "Unavailable": (_WINDOW,),
    "When": (
        rule(
            "has(self.aliveAtLeast) || has(self.aliveAtMost)",
            "`when` is empty: give `aliveAtLeast` and/or `aliveAtMost`",
        ),
        rule(
            "!has(self.aliveAtLeast) || !has(self.aliveAtMost) || self.aliveAtLeast <= self.aliveAtMost",
            "`when` can never hold: `aliveAtLeast` is above `aliveAtMost`",
        ),
    ),
    "EpochsGrowAtMost": (
        at_most_one("the window", ("during", "after")),
        at_most_one("whose epoch is meant", ("partition", "controller")),
    ),
    "InSyncReplicas": (
        exactly_one("the moment that `within` counts from", ("of", "afterHealOf")),
        exactly_one("the size", ("equals", "atMost", "atLeast")),
    ),
    "MetricExpectation": (
        *_COMPARISON,
        rule(
            f"!has(self.labels) || self.labels.all(k, k.size() <= {LABEL_NAME_LENGTH_MAX} && "
            f"k.matches('{LABEL_NAME_PATTERN}'))",
            "a name in `labels` must be letters, digits and `_`, not beginning with a digit, "
            f"at most {LABEL_NAME_LENGTH_MAX} characters long",
        ),
    ),
    "PromqlExpectation": _COMPARISON,
}
"""The name of a model -> what the API server checks wherever one stands."""
