"""What the chart renders, for several sets of values. Needs helm, no cluster."""

import os
import re
import shutil
from pathlib import Path

import pytest
import yaml
from pod_security import violations
from rendering import CHART, PROGRAM, ROOT, Object, documented, only, pod_specs, refusal, rendered, run_helm

from skerry.targets.skerry.planes import Plane
from skerry.worlds.kubernetes.cluster import broker_set, pod_shape
from skerry_broker.config import parse_config

pytestmark = pytest.mark.e2e

VALUES: dict[str, tuple[str, ...]] = {
    "defaults": (),
    "injector": ("injector.enabled=true",),
    "no brokers": ("brokers.enabled=false",),
    "five brokers": ("brokers.replicas=5", "brokers.timing=Relaxed", "brokers.name=log", "brokers.hold.enabled=false"),
    "everything else": (
        "networkPolicy.enabled=true",
        "imagePullSecrets[0].name=first",
        "imagePullSecrets[1].name=second",
        "image.registry=registry.example:5000/team",
        "image.tag=1.2.3",
        "operator.extraEnv[0].name=A",
        "operator.extraEnv[0].value=b",
        "operator.nodeSelector.disk=fast",
        "operator.podLabels.team=one",
        "operator.podAnnotations.note=two",
        "operator.affinity.nodeAffinity.x=y",
        "brokers.extraEnv[0].name=A",
        "brokers.extraEnv[0].value=b",
        "brokers.tolerations[0].operator=Exists",
        "brokers.persistence.storageClass=slow",
        "brokers.priorityClassName=high",
        "serviceAccount.annotations.note=three",
        "metrics.service.annotations.note=four",
        "fullnameOverride=lab",
    ),
}
EVERY = pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())


def names(objects: tuple[Object, ...]) -> set[str]:
    return {f"{each['kind']}/{each['metadata']['name']}" for each in objects}


OPERATOR = {
    "ServiceAccount/skerry-operator",
    "Role/skerry-operator",
    "RoleBinding/skerry-operator",
    "Deployment/skerry-operator",
    "Service/skerry-operator",
    "Pod/skerry-test",
}
CLEANUP = {f"{kind}/skerry-cleanup" for kind in ("ServiceAccount", "Role", "RoleBinding", "Job")}
"""Only while the release is uninstalled."""
BROKERS = {"StatefulSet/broker", "Service/broker", "Service/broker-client", "PodDisruptionBudget/broker"}


def test_helm_has_nothing_to_object() -> None:
    done = run_helm("lint", "--strict", "--kube-version", PROGRAM.KUBERNETES_MIN, str(CHART))
    assert done.returncode == 0, done.stdout + done.stderr


def test_which_objects_there_are() -> None:
    assert names(rendered()) == OPERATOR | BROKERS | CLEANUP
    assert names(rendered("injector.enabled=true")) == OPERATOR | BROKERS | CLEANUP | {
        "Role/skerry-injector",
        "RoleBinding/skerry-injector",
    }
    assert names(rendered("brokers.enabled=false")) == OPERATOR | CLEANUP
    assert names(rendered("rbac.create=false", "serviceAccount.create=false", "serviceAccount.name=mine")) == (
        OPERATOR | BROKERS
    ) - {"ServiceAccount/skerry-operator", "Role/skerry-operator", "RoleBinding/skerry-operator"}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("broker.replicas=3", "additional properties 'broker' not allowed"),
        ("brokers.replica=3", "at '/brokers': additional properties 'replica' not allowed"),
        ("brokers.replicas=12", "at '/brokers/replicas': maximum: got 12, want 9"),
        ("brokers.replicas=0", "at '/brokers/replicas': minimum: got 0, want 1"),
        ("brokers.timing=Fast", "at '/brokers/timing': value must be one of 'Default', 'Relaxed'"),
        ("brokers.name=Broker", "at '/brokers/name': 'Broker' does not match pattern"),
        ("brokers.persistence.size=much", "at '/brokers/persistence/size': 'much' does not match pattern"),
        ("injector.enabled=maybe", "at '/injector/enabled': got string, want boolean"),
        ("image.registry=https://registry.example", "at '/image/registry'"),
        ("operator.image.digest=sha256:abc", "at '/operator/image/digest'"),
        ("operator.podLabels.count=3", "at '/operator/podLabels/count': got number, want string"),
        ("operator.replicas=2", "additional properties 'replicas' not allowed"),  # there is one conductor
        ("serviceAccount.create=false", "say in serviceAccount.name which account the operator uses"),
    ],
)
def test_a_wrong_value_is_refused_by_name(value: str, says: str) -> None:
    assert says in refusal(value)


# --- security


@EVERY
def test_every_pod_is_restricted(values: tuple[str, ...]) -> None:
    specs = pod_specs(rendered(*values))
    assert len(specs) >= 2
    assert {name: violations(spec) for name, spec in specs.items()} == {name: [] for name in specs}


@EVERY
def test_nothing_is_of_the_whole_cluster(values: tuple[str, ...]) -> None:
    objects = rendered(*values)
    assert not [name for name in names(objects) if name.startswith(("ClusterRole", "Namespace", "Priority"))]
    assert {each["metadata"]["namespace"] for each in objects} == {"skerry"}


@EVERY
def test_only_the_operator_and_the_cleanup_have_a_token(values: tuple[str, ...]) -> None:
    tokens = {name: spec["automountServiceAccountToken"] for name, spec in pod_specs(rendered(*values)).items()}
    assert {name.split("/")[0] for name, has in tokens.items() if has} == {"Deployment", "Job"}
    assert all(spec["enableServiceLinks"] is False for spec in pod_specs(rendered(*values)).values())


def granted(role: Object) -> dict[tuple[str, str], set[str]]:
    rights: dict[tuple[str, str], set[str]] = {}
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                rights.setdefault((group, resource), set()).update(rule["verbs"])
    return rights


@pytest.mark.parametrize(("name", "rules"), [("operator", 10), ("injector", 1), ("cleanup", 6)])
def test_the_rights_are_the_documented_ones(name: str, rules: int) -> None:
    objects = rendered("injector.enabled=true")
    role = only(objects, "Role", f"skerry-{name}")
    assert granted(role) == documented(name)
    assert len(documented(name)) == rules
    binding = only(objects, "RoleBinding", f"skerry-{name}")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    account = "skerry-cleanup" if name == "cleanup" else "skerry-operator"
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": "skerry"}]


def test_a_right_too_many_would_be_found() -> None:
    secrets = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    role = {"rules": [*only(rendered(), "Role", "skerry-operator")["rules"], secrets]}
    assert granted(role) != documented("operator")


def test_it_reads_its_own_namespace_only() -> None:
    roles = [each for each in rendered("injector.enabled=true") if each["kind"] == "Role"]
    rules = [rule for role in roles for rule in role["rules"] if "namespaces" in rule["resources"]]
    assert [rule["resourceNames"] for rule in rules] == [["skerry"]]
    assert not [rule for role in roles for rule in role["rules"] if "*" in str(rule)]


def test_the_cleanup_exists_only_while_the_release_is_uninstalled() -> None:
    hooks = [each for each in rendered() if each["metadata"]["name"] == "skerry-cleanup"]
    annotations = [each["metadata"]["annotations"] for each in hooks]
    assert {each["helm.sh/hook"] for each in annotations} == {"post-delete"}, "operator and its rights are gone then"
    policies = {policy for each in annotations for policy in each["helm.sh/hook-delete-policy"].split(",")}
    assert policies == {"before-hook-creation", "hook-succeeded", "hook-failed"}
    weights = {each["kind"]: each["metadata"]["annotations"]["helm.sh/hook-weight"] for each in hooks}
    assert weights == {"ServiceAccount": "0", "Role": "0", "RoleBinding": "0", "Job": "1"}, "its rights come first"
    job = only(rendered(), "Job")["spec"]
    assert job["activeDeadlineSeconds"] <= 60, "an image that cannot be had does not hang the command"
    (container,) = job["template"]["spec"]["containers"]
    assert container["command"][2:] + container["args"] == ["/opt/venv/bin/skerry", "clean", "--namespace", "skerry"]


# --- the operator


def environment(container: Object) -> dict[str, str]:
    """What is set by value; what comes from the pod's own metadata shows as ``<path>``."""
    found: dict[str, str] = {}
    for variable in container["env"]:
        assert variable["name"] not in found, f"{variable['name']} is set twice"
        path = variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
        found[variable["name"]] = f"<{path}>" if path else variable["value"]
    return found


def test_there_is_one_operator_and_never_two() -> None:
    deployment = only(rendered(), "Deployment")
    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]) == (1, {"type": "Recreate"})
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["command"] == ["/usr/bin/tini", "--", "/opt/venv/bin/skerry-operator"]
    told = environment(container)
    assert told["SKERRY_NAMESPACE"] == "<metadata.namespace>"
    assert told["SKERRY_RUNNER_IMAGE"] == container["image"] == "skerry/operator:0.1.0"
    assert told["SKERRY_INJECTOR_IMAGE"] == "skerry/injector:0.1.0"
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}


def test_images_are_named_whole() -> None:
    digest = "sha256:" + "0123456789abcdef" * 4
    objects = rendered(
        "image.registry=r.example/team", f"operator.image.digest={digest}", "brokers.image.tag=b", "image.tag=t"
    )
    assert pod_specs(objects)["Deployment/skerry-operator"]["containers"][0]["image"] == (
        f"r.example/team/skerry/operator@{digest}"
    )
    assert pod_specs(objects)["StatefulSet/broker"]["containers"][0]["image"] == "r.example/team/skerry/broker:b"
    told = environment(pod_specs(objects)["Deployment/skerry-operator"]["containers"][0])
    assert told["SKERRY_INJECTOR_IMAGE"] == "r.example/team/skerry/injector:t"


def test_every_pod_of_the_chart_can_pull_its_image() -> None:
    wanted = [{"name": "first"}, {"name": "second"}]
    specs = pod_specs(rendered(*VALUES["everything else"]))
    assert {name: spec.get("imagePullSecrets") for name, spec in specs.items()} == {name: wanted for name in specs}
    [operator] = [spec for name, spec in specs.items() if name.startswith("Deployment/")]
    told = environment(operator["containers"][0])
    assert told["SKERRY_IMAGE_PULL_SECRETS"] == "first,second", "for the pods that the operator makes"


def test_no_policy_selects_a_broker() -> None:
    objects = rendered(*VALUES["everything else"])
    policy = only(objects, "NetworkPolicy")
    selected = policy["spec"]["podSelector"]["matchLabels"]
    labels_of = {
        each["kind"]: each["spec"]["template"]["metadata"]["labels"]
        for each in objects
        if "template" in each.get("spec", {})
    }
    assert selected.items() <= labels_of["Deployment"].items()
    assert not selected.items() <= labels_of["StatefulSet"].items()


# --- the brokers


@pytest.mark.parametrize(("values", "name", "count"), [("defaults", "broker", 3), ("five brokers", "log", 5)])
def test_every_broker_starts_with_what_it_is_told(values: str, name: str, count: int) -> None:
    """The broker's own parser reads the variables of each pod, as the kubelet would expand them."""
    container = pod_specs(rendered(*VALUES[values]))[f"StatefulSet/{name}"]["containers"][0]
    for ordinal in range(count):
        told = environment(container)
        assert told["POD_NAME"] == "<metadata.name>"
        assert told["SKERRY_BROKER_ID"] == "<metadata.labels['apps.kubernetes.io/pod-index']>"
        told = {key: value.replace("$(POD_NAME)", f"{name}-{ordinal}") for key, value in told.items()}
        config = parse_config([], told | {"SKERRY_BROKER_ID": str(ordinal)})
        assert config.voters == tuple(range(count))
        assert set(config.peers) == set(range(count)) - {ordinal}
        assert str(config.advertised_client) == f"{name}-{ordinal}.{name}:9092"
        for peer, addresses in config.peers.items():
            assert [str(addresses[plane]) for plane in addresses] == [
                f"{name}-{peer}.{name}:{port}" for port in (9092, 9093, 9094, 9095)
            ]
        assert config.timing_preset == ("Relaxed" if name == "log" else "Default")
        assert config.log_format == "json"


def test_an_experiment_can_read_the_brokers() -> None:
    brokers = broker_set(only(rendered(), "StatefulSet"), pod_shape("skerry"))
    assert (brokers.name, brokers.service, brokers.replicas, brokers.run_as_user) == ("broker", "broker", 3, 10001)
    assert brokers.ports == {Plane.CLIENT: 9092, Plane.RAFT: 9093, Plane.REPLICATION: 9094}
    assert brokers.admin_port == 9095
    assert brokers.hold
    assert not broker_set(only(rendered(*VALUES["five brokers"]), "StatefulSet"), pod_shape("skerry")).hold


def test_the_hold_runs_under_the_init_and_reads_the_key_of_its_pod() -> None:
    pod = pod_specs(rendered())["StatefulSet/broker"]
    hold = pod["initContainers"][0]
    assert hold["command"] == ["/usr/bin/tini", "--", "/opt/venv/bin/python", "-m", "skerry_broker.hold"]
    assert hold["args"] == ["--file", "/etc/skerry/hold/$(POD_NAME)"]
    assert {"name": "hold", "configMap": {"name": "broker-hold", "optional": True}} in pod["volumes"]
    assert "initContainers" not in pod_specs(rendered(*VALUES["five brokers"]))["StatefulSet/log"]


def test_liveness_asks_for_nothing_that_needs_a_peer() -> None:
    broker = pod_specs(rendered())["StatefulSet/broker"]["containers"][0]
    asked = {probe: broker[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert asked == {
        "startupProbe": {"path": "/healthz", "port": "admin"},
        "livenessProbe": {"path": "/healthz", "port": "admin"},
        "readinessProbe": {"path": "/readyz", "port": "admin"},
    }
    assert (
        broker["livenessProbe"]["periodSeconds"] * broker["livenessProbe"]["failureThreshold"] > 30
    )  # 12-paused-leader


def test_a_quorum_can_form_and_clients_meet_the_ready_only() -> None:
    objects = rendered()
    headless, normal = only(objects, "Service", "broker")["spec"], only(objects, "Service", "broker-client")["spec"]
    assert (headless["clusterIP"], headless["publishNotReadyAddresses"]) == ("None", True)
    assert "publishNotReadyAddresses" not in normal
    stateful_set = only(objects, "StatefulSet")["spec"]
    assert (stateful_set["podManagementPolicy"], stateful_set["serviceName"]) == ("Parallel", "broker")
    labels = stateful_set["template"]["metadata"]["labels"]
    for selector in (headless["selector"], normal["selector"], stateful_set["selector"]["matchLabels"]):
        assert selector.items() <= labels.items()
        assert not selector.items() <= only(objects, "Deployment")["spec"]["template"]["metadata"]["labels"].items()


def test_an_upgrade_of_the_chart_alone_restarts_nobody() -> None:
    for each in rendered():
        if "template" in each.get("spec", {}):
            labels = each["spec"]["template"]["metadata"]["labels"]
            assert not [key for key in labels if "version" in key or "chart" in key]


# --- what is written next to it


def notes(folder: Path, *values: str) -> str:
    """What is printed after an installation. `helm template` never prints it, so a copy of the chart puts it into a
    ConfigMap."""
    chart = folder / "chart"
    shutil.copytree(CHART, chart, dirs_exist_ok=True)
    shutil.move(chart / "templates" / "NOTES.txt", chart / "notes.txt")
    (chart / "templates" / "notes.yaml").write_text(
        'kind: ConfigMap\nmetadata: {name: notes}\ndata: {text: {{ tpl (.Files.Get "notes.txt") . | quote }}}\n'
    )
    sets = [part for value in values for part in ("--set", value)]
    done = run_helm(*PROGRAM.template_arguments(sets, chart), "--show-only", "templates/notes.yaml")
    assert done.returncode == 0, done.stderr
    return str(yaml.safe_load(done.stdout)["data"]["text"])


@pytest.mark.parametrize(
    ("values", "experiment", "labels"),
    [
        ((), "04b-leader-pod-deletion", "skerry.dev/enabled=true"),
        (
            ("injector.enabled=true",),
            "01-leader-isolation",
            "skerry.dev/enabled=true skerry.dev/allow-injector=true",
        ),
    ],
)
def test_the_notes_say_the_next_three_commands(
    tmp_path: Path, values: tuple[str, ...], experiment: str, labels: str
) -> None:
    text = notes(tmp_path, *values)
    assert re.findall(r"^  (kubectl .*)$", text, re.MULTILINE) == [
        f"kubectl label namespace skerry {labels}",
        f"kubectl -n skerry apply -f experiments/{experiment}.yaml",
        "kubectl -n skerry get skx --watch",
    ]
    assert (ROOT / "experiments" / f"{experiment}.yaml").exists()
    assert ("skerry.dev/allow-injector=true; what that grants" in text) is not bool(values)
    assert "There are no brokers in this release" in notes(tmp_path / "without", "brokers.enabled=false")


def test_the_manifests_are_complete_without_helm() -> None:
    text = PROGRAM.manifests(os.environ, [])
    objects = tuple(yaml.safe_load_all(text))
    assert [each["kind"] for each in objects[:2]] == ["Namespace", "CustomResourceDefinition"]
    assert names(objects) == (OPERATOR - {"Pod/skerry-test"}) | BROKERS | {
        "Namespace/skerry",
        "CustomResourceDefinition/chaosexperiments.skerry.dev",
    }
    assert "helm.sh/" not in text
    assert "labels" not in objects[0]["metadata"], "opting in is a step of its own"


def test_the_docs_name_what_there_is() -> None:
    text = (ROOT / "docs" / "chart.md").read_text()
    for value in re.findall(r"`((?:brokers|operator|injector|image|metrics)\.[A-Za-z.]+)`", text):
        at = yaml.safe_load(Path(CHART / "values.yaml").read_text())
        for step in value.split("."):
            assert step in at, f"docs/chart.md names {value}"
            at = at[step]
