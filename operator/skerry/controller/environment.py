"""What the operator's pod is told, as environment variables. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from skerry.controller.server import PORT
from skerry.worlds.kubernetes.world import Settings

NAMESPACE = "SKERRY_NAMESPACE"
RUNNER_IMAGE = "SKERRY_RUNNER_IMAGE"
INJECTOR_IMAGE = "SKERRY_INJECTOR_IMAGE"
PULL_POLICY = "SKERRY_IMAGE_PULL_POLICY"
PULL_SECRETS = "SKERRY_IMAGE_PULL_SECRETS"
PORT_VARIABLE = "SKERRY_PORT"
PULL_POLICIES = ("IfNotPresent", "Always", "Never")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class WrongEnvironment(Exception):
    """One sentence: which variable, and what it should be."""


class Environment(NamedTuple):
    namespaces: tuple[str, ...]
    """Empty: the one that the pod is in."""
    runner_image: str
    injector_image: str
    pull_policy: str
    port: int
    pull_secrets: tuple[str, ...] = ()

    def settings(self, namespace: str) -> Settings:
        return Settings(namespace, self.runner_image, self.injector_image, self.pull_policy, self.pull_secrets)


def read_environment(variables: Mapping[str, str]) -> Environment:
    """Raises WrongEnvironment: something is missing or wrong."""
    namespaces = _listed(variables.get(NAMESPACE, ""))
    for namespace in namespaces:
        if not _LABEL.fullmatch(namespace):
            raise WrongEnvironment(f"{NAMESPACE} names `{namespace}`, which is no namespace: list them with commas")
    runner_image = variables.get(RUNNER_IMAGE, "")
    if not runner_image:
        raise WrongEnvironment(f"{RUNNER_IMAGE} is missing: the image of the workload pod, which is the operator's own")
    pull_policy = variables.get(PULL_POLICY) or PULL_POLICIES[0]
    if pull_policy not in PULL_POLICIES:
        raise WrongEnvironment(f"{PULL_POLICY} is `{pull_policy}`: set one of {', '.join(PULL_POLICIES)}")
    port = variables.get(PORT_VARIABLE) or str(PORT)
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise WrongEnvironment(f"{PORT_VARIABLE} is `{port}`: set a port number")
    pull_secrets = _listed(variables.get(PULL_SECRETS, ""))
    return Environment(
        namespaces, runner_image, variables.get(INJECTOR_IMAGE, ""), pull_policy, int(port), pull_secrets
    )


def _listed(text: str) -> tuple[str, ...]:
    """What stands between commas, each once."""
    return tuple(dict.fromkeys(filter(None, (each.strip() for each in text.split(",")))))
