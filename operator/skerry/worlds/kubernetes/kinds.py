"""The kinds of objects that Skerry reads or writes, as the API server's paths name them."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    group: str
    """Empty: the core group."""
    version: str
    plural: str
    namespaced: bool = True

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """The version of the API as manifests write it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        """The path of the collection, of one object, or of a part of it."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        where = f"/namespaces/{namespace}" if self.namespaced else ""
        return root + where + "".join(f"/{part}" for part in (self.plural, name, subresource) if part)


PODS = Kind("", "v1", "pods")
CONFIG_MAPS = Kind("", "v1", "configmaps")
EVENTS = Kind("", "v1", "events")
LIMIT_RANGES = Kind("", "v1", "limitranges")
SERVICES = Kind("", "v1", "services")
NAMESPACES = Kind("", "v1", "namespaces", namespaced=False)
STATEFUL_SETS = Kind("apps", "v1", "statefulsets")
DEPLOYMENTS = Kind("apps", "v1", "deployments")
JOBS = Kind("batch", "v1", "jobs")
NETWORK_POLICIES = Kind("networking.k8s.io", "v1", "networkpolicies")
LEASES = Kind("coordination.k8s.io", "v1", "leases")
ROLES = Kind("rbac.authorization.k8s.io", "v1", "roles")
ROLE_BINDINGS = Kind("rbac.authorization.k8s.io", "v1", "rolebindings")
EXPERIMENTS = Kind("skerry.dev", "v1alpha1", "chaosexperiments")
DEFINITIONS = Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", namespaced=False)
OWN_REVIEWS = Kind("authorization.k8s.io", "v1", "selfsubjectaccessreviews", namespaced=False)
REVIEWS = Kind("authorization.k8s.io", "v1", "subjectaccessreviews", namespaced=False)
