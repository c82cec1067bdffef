"""What the commands that speak to a cluster have in common: the client, and its failures as sentences."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from skerry.cli.errors import CommandError

if TYPE_CHECKING:
    from skerry.worlds.kubernetes.api import Kube

Answer = TypeVar("Answer")


def ask_cluster(
    namespace: str | None, context: str | None, ask: Callable[[Kube], Coroutine[Any, Any, Answer]]
) -> Answer:
    """What ``ask`` makes of the cluster that the kubeconfig names. Raises CommandError."""
    try:
        from skerry.worlds.kubernetes.api import Kube, KubeError
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "kubernetes":
            raise
        raise CommandError("the Kubernetes client is not installed: pip install 'skerry[operator]'") from None

    async def connected() -> Answer:
        async with Kube(namespace or "", context=context or "") as kube:
            return await ask(kube)

    try:
        return asyncio.run(connected())
    except KubeError as error:
        raise CommandError(str(error)) from None
