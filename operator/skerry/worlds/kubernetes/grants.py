"""What the operator's Role must grant, as data: preflight and doctor ask for exactly this."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

from skerry.worlds.kubernetes.api import (
    CONFIG_MAPS,
    EVENTS,
    EXPERIMENTS,
    JOBS,
    LEASES,
    NAMESPACES,
    NETWORK_POLICIES,
    PODS,
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
    Grant(EVENTS, ("create",)),
    Grant(STATEFUL_SETS, ("get",)),
    Grant(JOBS, ("get", "list", "create", "delete")),
    Grant(NETWORK_POLICIES, ("get", "list", "create", "delete")),
    Grant(LEASES, ("get", "create", "update", "delete")),
)
INJECTOR_GRANT = Grant(PODS, ("patch",), "ephemeralcontainers")
"""Off by default: it is as strong as exec."""


async def missing(kube: Kube, grants: Iterable[Grant], account: str = "") -> list[str]:
    """What is not granted, as in "`create` on jobs (batch)", in the order of ``grants``.

    :param account: a service account of the namespace; empty: whoever this is.
    :raises KubeError: the API server did not answer, or may not be asked about that account.
    """

    async def ask(grant: Grant, verb: str) -> str:
        name = kube.namespace if grant.kind == NAMESPACES else ""
        if account:
            granted = await kube.allows(account, verb, grant.kind, subresource=grant.subresource, name=name)
        else:
            granted = await kube.allowed(verb, grant.kind, subresource=grant.subresource, name=name)
        return "" if granted else f"`{verb}` on {grant}"

    answers = await asyncio.gather(*(ask(grant, verb) for grant in grants for verb in grant.verbs))
    return [answer for answer in answers if answer]
