"""Somebody deletes what a run stands on, at a bad moment: everything of it is gone in 30 s, and nothing hangs.

Nobody holds a deletion up (there is no finalizer), and nobody is needed for it: artefacts go with their owners.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable

import pytest
from e2e_cluster import JsonObject, until
from e2e_documents import ROOT, cut, deletion, experiment
from e2e_lab import RELEASE, Lab, Run, until_collected

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

log = logging.getLogger(__name__)

GONE_S = 30
CRD = "chaosexperiments.skerry.dev"

MOMENTS = [
    pytest.param(moment, operator, id=f"{moment}, operator {operator}")
    for moment in ("Holding", "Checking")
    for operator in ("up", "down")
]


def held() -> JsonObject:
    """A cut broker, which is then kept down as well: policy, fuses, and the ConfigMap that holds it."""
    isolated = cut("60s") | {"name": "cut"}
    isolated["partition"] |= {"groups": [[{"ordinal": 0}], [{"ordinal": 1}, {"ordinal": 2}]]}
    kept_down = deletion("60s") | {"following": "cut", "startAfter": "3s"}
    kept_down["kill"] |= {"target": {"ordinal": 0}}
    return experiment("held", isolated, kept_down)


def bring_to(lab: Lab, moment: str) -> Run:
    """A run that is there now."""
    if moment == "Holding":
        run = lab.apply(held())
        until("broker 0 is cut off and held down", 90, lambda: len(_made(run)) == 6, every_s=0.2)
        assert run.phase in ("Verifying", "Holding")
    else:
        run = lab.apply(experiment("checked", deletion("1s")))
        run.until_phase("Draining", "Checking")
    return run


def _made(run: Run) -> list[str]:
    """Policy, two fuses, workload, hold, and the workload's pod."""
    return [each for each in run.artefacts() if not each.startswith("leases/")]


def delete_and_watch(lab: Lab, moment: str, operator: str, delete: Callable[[Run], None]) -> None:
    run = bring_to(lab, moment)
    if operator == "up":
        _delete(lab, run, delete)
        return
    with lab.operator_dead():
        assert run.phase != "Complete"
        _delete(lab, run, delete)


def _delete(lab: Lab, run: Run, delete: Callable[[Run], None]) -> None:
    started_s = time.monotonic()
    delete(run)
    until(
        f"nothing is left of {run.name}",
        GONE_S - (time.monotonic() - started_s),
        lambda: not run.artefacts() and not lab.policies(),
        every_s=0.3,
    )
    log.info("gone after %.1f s", time.monotonic() - started_s)


@pytest.mark.parametrize(("moment", "operator"), MOMENTS)
def test_the_experiment_is_deleted(lab: Lab, moment: str, operator: str) -> None:
    delete_and_watch(lab, moment, operator, Run.delete)


@pytest.mark.parametrize(("moment", "operator"), MOMENTS)
def test_its_namespace_is_deleted(throwaway: Lab, moment: str, operator: str) -> None:
    """The namespace itself, too: its controller looks again every 11 s where pods have a grace of 20 s."""
    started_s = time.monotonic()

    def delete(run: Run) -> None:
        nonlocal started_s
        started_s = time.monotonic()
        throwaway.cluster.must("delete", "namespace", throwaway.namespace, "--wait=false")

    delete_and_watch(throwaway, moment, operator, delete)
    path = f"api/v1/namespaces/{throwaway.namespace}"
    left_s = GONE_S - (time.monotonic() - started_s)
    until("the namespace is gone", left_s, lambda: throwaway.cluster.look(path) is None, every_s=0.5)
    log.info("the namespace after %.1f s", time.monotonic() - started_s)


@pytest.mark.parametrize(("moment", "operator"), MOMENTS)
def test_the_chart_is_uninstalled(throwaway: Lab, moment: str, operator: str) -> None:
    def delete(run: Run) -> None:
        throwaway.cluster.helm("uninstall", RELEASE, "--namespace", throwaway.namespace, timeout_s=GONE_S)

    delete_and_watch(throwaway, moment, operator, delete)


@pytest.fixture
def nobody_else(lab: Lab) -> None:
    """The CRD is everybody's: when it goes, every experiment of the cluster does."""
    found = lab.cluster.look("apis/skerry.dev/v1alpha1/chaosexperiments")
    assert found is not None
    running = [
        f"{each['metadata']['namespace']}/{each['metadata']['name']}"
        for each in found["items"]
        if (each.get("status") or {}).get("phase") != "Complete"
    ]
    assert running == [], "these would be lost"


@pytest.mark.parametrize(("moment", "operator"), MOMENTS)
@pytest.mark.usefixtures("nobody_else")
def test_the_crd_is_deleted(lab: Lab, moment: str, operator: str) -> None:
    with contextlib.ExitStack() as afterwards:

        def delete(run: Run) -> None:
            lab.must("delete", "crd", CRD, f"--timeout={GONE_S}s")

        run = bring_to(lab, moment)
        if operator == "down":
            afterwards.enter_context(lab.operator_dead())
            assert run.phase != "Complete"
        afterwards.callback(restore_crd, lab)  # before the operator comes back
        _delete(lab, run, delete)


def restore_crd(lab: Lab) -> None:
    lab.must("apply", "--server-side", "--force-conflicts", f"--filename={ROOT / 'crds'}")
    until("the CRD is served", 60, lambda: lab.cluster.kubectl("get", "chaosexperiments").code == 0, every_s=0.5)
    until_collected(lab.cluster)
