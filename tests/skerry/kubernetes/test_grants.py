"""The table of rights in the code is the one in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from skerry.worlds.kubernetes.grants import GRANTS, INJECTOR_GRANT, missing

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
    api.denied |= {("delete", "leases"), ("get", "namespaces"), ("patch", "chaosexperiments/status")}
    assert await missing(kube, GRANTS) == [
        "`patch` on chaosexperiments/status (skerry.dev)",
        "`get` on namespaces",
        "`delete` on leases (coordination.k8s.io)",
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
    assert await missing(kube, [INJECTOR_GRANT], "operator") == ["`patch` on pods/ephemeralcontainers"]
    assert api.seen[0].resource == "subjectaccessreviews"
