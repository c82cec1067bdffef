"""What the operator's Role must grant, as data: preflight and doctor ask for exactly this."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.api import (
    CONFIG_MAPS,
    EVENTS,
    EXPERIMENTS,
    JOBS,
    LEASES,
    NAMESPACES,
    NETWORK_POLICIES,
    PODS,
    ROLE_BINDINGS,
    ROLES,
    STATEFUL_SETS,
    Kind,
    Kube,
)


class Grant(NamedTuple):
    kind: Kind
    verbs: tuple[str, ...]
    subresource: str = ""

    def __str__(self) -> str:
        part = f"/{self.subresource}" if self.subresource else ""
        return f"{self.kind.plural}{part}" + (f" ({self.kind.group})" if self.kind.group else "")


GRANTS = (
    Grant(EXPERIMENTS, ("get", "list", "watch")),
    Grant(EXPERIMENTS, ("patch",), "status"),
    Grant(NAMESPACES, ("get",)),
    Grant(PODS, ("get", "list", "watch", "delete")),
    Grant(CONFIG_MAPS, ("get", "list", "create", "patch", "delete")),
    Grant(EVENTS, ("list", "create")),
    Grant(STATEFUL_SETS, ("get",)),
    Grant(JOBS, ("get", "list", "create", "delete")),
    Grant(NETWORK_POLICIES, ("get", "list", "create", "delete")),
    Grant(LEASES, ("get", "create", "update", "delete")),
)
INJECTOR_GRANT = Grant(PODS, ("patch",), "ephemeralcontainers")
"""Off by default: it is as strong as exec."""


async def missing(kube: Kube, grants: Iterable[Grant], account: str = "") -> list[str]:
    """What is not granted, as in "get/create jobs (batch)", in the order of ``grants``.

    ``account``: a service account, `NAMESPACE:NAME`; empty: the one that asks.
    Raises KubeError: the API server did not answer, or may not be asked about that account.
    """

    async def ask(grant: Grant, verb: str) -> bool:
        name = kube.namespace if grant.kind == NAMESPACES else ""
        if account:
            return await kube.allows(account, verb, grant.kind, subresource=grant.subresource, name=name)
        return await kube.allowed(verb, grant.kind, subresource=grant.subresource, name=name)

    wanted = [(grant, verb) for grant in grants for verb in grant.verbs]
    answers = await asyncio.gather(*(ask(grant, verb) for grant, verb in wanted))
    return _in_words(each for each, granted in zip(wanted, answers, strict=True) if not granted)


async def missing_by_roles(kube: Kube, grants: Iterable[Grant], account: str) -> list[str]:
    """The same for an account that may not ask about others: what the Roles of the namespace say. What is granted
    cluster-wide is not seen.

    Raises KubeError: nor may the Roles be read.
    """
    bindings, roles = await asyncio.gather(kube.list(ROLE_BINDINGS), kube.list(ROLES))
    rules = rules_of(account, bindings, roles)
    return _in_words(
        (grant, verb)
        for grant in grants
        for verb in grant.verbs
        if not any(_rule_grants(rule, grant, verb, kube.namespace) for rule in rules)
    )


def _in_words(lacking: Iterable[tuple[Grant, str]]) -> list[str]:
    return [
        f"{'/'.join(verb for _, verb in group)} {grant}" for grant, group in groupby(lacking, key=lambda each: each[0])
    ]


def rules_of(account: str, bindings: Iterable[JsonObject], roles: Iterable[JsonObject]) -> list[JsonObject]:
    """The rules of all Roles that are bound to the service account."""
    home, _, name = account.partition(":")
    bound = {
        binding["roleRef"]["name"]
        for binding in bindings
        for subject in binding.get("subjects") or []
        if binding["roleRef"]["kind"] == "Role"
        and (subject["kind"], subject.get("namespace"), subject["name"]) == ("ServiceAccount", home, name)
    }
    return [rule for role in roles if role["metadata"]["name"] in bound for rule in role.get("rules") or []]


def _rule_grants(rule: JsonObject, grant: Grant, verb: str, namespace: str) -> bool:
    resource = grant.kind.plural + (f"/{grant.subresource}" if grant.subresource else "")
    names = rule.get("resourceNames") or []
    return (
        bool({verb, "*"} & set(rule.get("verbs") or ()))
        and bool({grant.kind.group, "*"} & set(rule.get("apiGroups") or ()))
        and bool({resource, "*"} & set(rule.get("resources") or ()))
        and (not names or (grant.kind == NAMESPACES and namespace in names))
    )
