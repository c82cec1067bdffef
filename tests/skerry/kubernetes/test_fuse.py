"""The fuse never has a pod, ends by itself, and goes with its experiment."""

from __future__ import annotations

import pytest

from skerry.worlds.kubernetes import names
from skerry.worlds.kubernetes.fuse import fuse_manifest

EXPERIMENT = {
    "apiVersion": "skerry.dev/v1alpha1",
    "kind": "ChaosExperiment",
    "metadata": {"name": "one", "namespace": "skerry", "uid": "u-1"},
}


@pytest.fixture
def fuse():
    return fuse_manifest("skerry-one-isolate-0-fuse", "one", EXPERIMENT, 17.2)


def test_it_never_has_a_pod_and_ends_by_itself(fuse):
    spec = fuse["spec"]
    assert (fuse["apiVersion"], fuse["kind"]) == ("batch/v1", "Job")
    assert spec["parallelism"] == 0
    assert spec["activeDeadlineSeconds"] == 18
    assert spec["ttlSecondsAfterFinished"] == 0
    assert spec["backoffLimit"] == 0


def test_it_goes_with_its_experiment_and_is_found_by_label(fuse):
    assert fuse["metadata"] == {
        "name": "skerry-one-isolate-0-fuse",
        "namespace": "skerry",
        "labels": names.labels("one", names.Artefact.FUSE),
        "ownerReferences": [names.owner_reference(EXPERIMENT)],
    }


def test_its_pod_template_would_pass_the_restricted_pod_security_standard(fuse):
    pod = fuse["spec"]["template"]["spec"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert pod["restartPolicy"] == "Never"
    (container,) = pod["containers"]
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize(
    ("lasts_s", "deadline_s"), [(0.01, 1), (1, 1), (1.0, 1), (1.001, 2), (30, 30), (86_400.5, 86_401)]
)
def test_it_burns_for_whole_seconds_and_never_too_short(lasts_s, deadline_s):
    assert fuse_manifest("f", "one", EXPERIMENT, lasts_s)["spec"]["activeDeadlineSeconds"] == deadline_s


@pytest.mark.parametrize("lasts_s", [0, -1, float("nan"), float("inf")])
def test_one_that_would_not_burn_is_refused(lasts_s):
    with pytest.raises(ValueError, match="a fuse burns for some seconds"):
        fuse_manifest("f", "one", EXPERIMENT, lasts_s)
