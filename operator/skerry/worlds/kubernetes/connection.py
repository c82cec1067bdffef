"""Which API server, by which account, and in which namespace: what a pod finds in itself, or a kubeconfig."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ACCOUNT_DIRECTORY = Path("/var/run/secrets/kubernetes.io/serviceaccount")
DEFAULT_NAMESPACE = "default"


class NoConnection(Exception):
    """One sentence: what was looked for, and what to change."""


class Connection(NamedTuple):
    configuration: Any
    """A ``kubernetes.aio.client.Configuration``."""
    namespace: str
    """The namespace of the pod, or of the context."""


def in_cluster() -> bool:
    """Whether this process is a pod that has a token."""
    return "KUBERNETES_SERVICE_HOST" in os.environ and (ACCOUNT_DIRECTORY / "token").is_file()


async def find_connection(context: str = "") -> Connection:
    """Find it: in a pod its own, unless a ``context`` is named; else the kubeconfig (`KUBECONFIG`, `~/.kube/config`).

    Raises NoConnection: there is neither, or the file is wrong.
    """
    from kubernetes.aio import client, config  # when a cluster is asked for, and not for `skerry plan`

    configuration: Any = client.Configuration()
    configuration.retries = None
    if not context and in_cluster():
        return Connection(_account(configuration), _account_namespace())
    paths = _kubeconfig()
    load: Any = config.load_kube_config
    try:
        loader = await load(paths, context or None, client_configuration=configuration, persist_config=False)
    except (config.ConfigException, yaml.YAMLError, OSError, TypeError, ValueError) as error:
        which = paths + (f" with context `{context}`" if context else "")
        why = " ".join(str(error).split())
        raise NoConnection(f"the kubeconfig at {which} cannot be used: {why}; mend it, or name another") from None
    inner = loader.current_context.get("context") or {}
    return Connection(configuration, inner.get("namespace") or DEFAULT_NAMESPACE)


def _kubeconfig() -> str:
    """One path, or several that are merged, as kubectl has it."""
    paths = os.environ.get("KUBECONFIG") or "~/.kube/config"
    if not any(Path(path).expanduser().is_file() for path in paths.split(os.pathsep)):
        raise NoConnection(f"there is no kubeconfig at {paths}; name one with KUBECONFIG")
    return paths


def _account(configuration: Any) -> Any:
    from kubernetes.aio import config

    token, authority = ACCOUNT_DIRECTORY / "token", ACCOUNT_DIRECTORY / "ca.crt"
    loader: Any = config.incluster_config.InClusterConfigLoader
    try:
        loader(token_filename=str(token), cert_filename=str(authority)).load_and_set(configuration)
    except (config.ConfigException, OSError) as error:
        raise NoConnection(f"the account of this pod cannot be used: {error}; mount its token") from None
    return configuration


def _account_namespace() -> str:
    try:
        return (ACCOUNT_DIRECTORY / "namespace").read_text().strip() or DEFAULT_NAMESPACE
    except OSError:
        return DEFAULT_NAMESPACE
