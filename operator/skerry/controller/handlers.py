"""All that kopf knows of us: one event handler.

An event handler neither adds a finalizer nor writes to the object; a daemon, a timer or a delete handler would, and an
experiment could then not be deleted while the operator is away.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kopf

from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.names import GROUP, PLURAL, VERSION

Seen = Callable[[str | None, JsonObject], None]
"""(ADDED, MODIFIED, DELETED, or None for what was there before; the object)."""
REQUEST_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 10.0


def registry_of(seen: Seen) -> kopf.OperatorRegistry:
    """A registry with the one handler in it."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def log_in(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def experiment_seen(event: kopf.RawEvent, **_: Any) -> None:
        seen(event["type"], dict(event["object"]))

    return registry


def settings() -> kopf.OperatorSettings:
    """Settings for a namespaced Role: nothing is looked for in the cluster, nothing is written to it."""
    chosen = kopf.OperatorSettings()
    chosen.scanning.disabled = True
    chosen.posting.enabled = False
    chosen.peering.standalone = True
    chosen.networking.request_timeout = REQUEST_TIMEOUT_S
    chosen.networking.connect_timeout = CONNECT_TIMEOUT_S
    chosen.watching.connect_timeout = CONNECT_TIMEOUT_S
    return chosen
