"""The table of rights in the code is the one in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from skerry.worlds.kubernetes.grants import GRANTS, INJECTOR_GRANT, missing, missing_by_roles

SECURITY = (Path(__file__).parents[3] / "docs" / "security.md").read_text()


def documented(table: str) -> set[tuple[str, str, str]]:
    """(group, resource, verb) of the table behind `<!-- rbac: NAME -->`."""
    body = SECURITY.split(f"<!-- rbac: {table} -->")[1].split("<!-- end -->")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:4]] for line in body.strip().splitlines()[2:]]
    return {
        (group.strip("`"), resource.split("`")[1], verb.strip())
        for group, resource, verbs in rows
        for verb in verbs.split(",")
    }


def coded(*grants) -> set[tuple[str, str, str]]:
    return {
        (grant.kind.group, "/".join(filter(None, (grant.kind.plural, grant.subresource))), verb)
        for grant in grants
        for verb in grant.verbs
    }


@pytest.mark.parametrize(("table", "grants"), [("operator", GRANTS), ("injector", [INJECTOR_GRANT])])
def test_code_and_documentation_agree(table, grants):
    assert documented(table) == coded(*grants)


async def test_what_is_missing_is_named_in_the_order_of_the_table(api, kube):
    api.denied |= {("get", "leases"), ("delete", "leases"), ("get", "namespaces"), ("patch", "chaosexperiments/status")}
    assert await missing(kube, GRANTS) == [
        "patch chaosexperiments/status (skerry.dev)",
        "get namespaces",
        "get/delete leases (coordination.k8s.io)",
    ]
    assert await missing(kube, [INJECTOR_GRANT]) == []


async def test_reading_the_own_namespace_is_asked_as_a_role_can_grant_it(api, kube):
    await missing(kube, [grant for grant in GRANTS if grant.kind.plural == "namespaces"])
    (asked,) = api.seen
    assert asked.body["spec"]["resourceAttributes"] == {
        "namespace": "skerry",
        "name": "skerry",
        "verb": "get",
        "resource": "namespaces",
    }


async def test_the_same_is_asked_of_an_account(api, kube):
    api.account_denied.add(("patch", "pods/ephemeralcontainers"))
    assert await missing(kube, [INJECTOR_GRANT], "skerry:operator") == ["patch pods/ephemeralcontainers"]
    assert api.seen[0].resource == "subjectaccessreviews"


def put_role(api, name: str, account: str, *rules: dict, kind: str = "Role") -> None:
    rbac = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "namespace": "skerry", "name": account}
    api.put({"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": {"name": name}, "rules": list(rules)})
    reference = {"apiGroup": rbac, "kind": kind, "name": name}
    binding = {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": {"name": name}}
    api.put(binding | {"roleRef": reference, "subjects": [subject]})


def rule_of(grant) -> dict:
    resource = "/".join(filter(None, (grant.kind.plural, grant.subresource)))
    return {"apiGroups": [grant.kind.group], "resources": [resource], "verbs": list(grant.verbs)}


async def test_roles_are_read_where_nobody_may_be_asked(api, kube):
    put_role(api, "operator", "operator", *(rule_of(grant) for grant in GRANTS))
    assert await missing_by_roles(kube, GRANTS, "skerry:operator") == []
    assert await missing_by_roles(kube, [INJECTOR_GRANT], "skerry:operator") == ["patch pods/ephemeralcontainers"]


@pytest.mark.parametrize(
    ("account", "kind", "changed", "granted"),
    [
        ("operator", "Role", {}, True),
        ("operator", "Role", {"verbs": ["*"], "resources": ["*"], "apiGroups": ["*"]}, True),
        ("operator", "Role", {"verbs": ["get"]}, False),
        ("operator", "Role", {"resources": ["pods"]}, False),
        ("operator", "Role", {"apiGroups": ["apps"]}, False),
        ("operator", "Role", {"resourceNames": ["broker-0"]}, False),
        ("operator", "ClusterRole", {}, False),
        ("somebody", "Role", {}, False),
    ],
)
async def test_a_rule_must_fit_in_every_respect(account, kind, changed, granted, api, kube):
    put_role(api, "injector", account, rule_of(INJECTOR_GRANT) | changed, kind=kind)
    assert (await missing_by_roles(kube, [INJECTOR_GRANT], "skerry:operator") == []) is granted


async def test_the_own_namespace_may_be_granted_by_name(api, kube):
    (grant,) = (grant for grant in GRANTS if grant.kind.plural == "namespaces")
    put_role(api, "operator", "operator", rule_of(grant) | {"resourceNames": ["skerry"]})
    assert await missing_by_roles(kube, [grant], "skerry:operator") == []
