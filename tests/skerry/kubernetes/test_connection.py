"""Where the API server is looked for: the pod's own account, or a kubeconfig."""

from __future__ import annotations

import pytest

from skerry.worlds.kubernetes import connection
from skerry.worlds.kubernetes.api import Kube, KubeError
from skerry.worlds.kubernetes.connection import NoConnection, find_connection

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: one
clusters:
- {name: here, cluster: {server: "http://127.0.0.1:1"}}
- {name: there, cluster: {server: "http://127.0.0.1:2"}}
users:
- {name: me, user: {token: secret}}
contexts:
- {name: one, context: {cluster: here, user: me, namespace: brokers}}
- {name: two, context: {cluster: there, user: me}}
"""


@pytest.fixture(autouse=True)
def laptop(monkeypatch, tmp_path):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))


@pytest.fixture
def kubeconfig(tmp_path):
    (tmp_path / "config").write_text(KUBECONFIG)


@pytest.fixture
def pod(monkeypatch, tmp_path):
    for name, content in {"token": "mine", "ca.crt": "an authority", "namespace": "skerry"}.items():
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(connection, "ACCOUNT_DIRECTORY", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")


async def token_of(configuration) -> str:
    return await configuration.get_api_key_with_prefix("BearerToken", alias="authorization")


@pytest.mark.parametrize(
    ("context", "host", "namespace"),
    [("", "http://127.0.0.1:1", "brokers"), ("two", "http://127.0.0.1:2", "default")],
)
async def test_a_kubeconfig_names_server_account_and_namespace(context, host, namespace, kubeconfig):
    configuration, found = await find_connection(context)
    assert (configuration.host, found) == (host, namespace)
    assert await token_of(configuration) == "Bearer secret"


async def test_a_pod_uses_its_own_account(pod):
    configuration, namespace = await find_connection()
    assert (configuration.host, namespace) == ("https://10.0.0.1:443", "skerry")
    assert await token_of(configuration) == "bearer mine"


async def test_a_named_context_goes_before_the_account_of_the_pod(pod, kubeconfig):
    assert (await find_connection("two")).configuration.host == "http://127.0.0.1:2"


async def test_the_namespace_that_was_asked_for_goes_before_that_of_the_context(kubeconfig):
    async with Kube() as kube:
        assert kube.namespace == "brokers"
    async with Kube("other") as kube:
        assert kube.namespace == "other"


@pytest.mark.parametrize(
    ("text", "context", "sentence"),
    [
        (None, "", r"there is no kubeconfig at .*config; name one with KUBECONFIG"),
        (KUBECONFIG, "three", r"config with context `three` cannot be used: .*three.*; mend it, or name another"),
        ("contexts: 7", "", r"cannot be used: .*; mend it, or name another"),
        ("a: [", "", r"cannot be used: .*; mend it, or name another"),
        ("", "", r"cannot be used: .*; mend it, or name another"),
    ],
    ids=["absent", "unknown context", "no contexts", "not YAML", "empty"],
)
async def test_what_is_wrong_with_a_kubeconfig_is_one_sentence(text, context, sentence, tmp_path):
    if text is not None:
        (tmp_path / "config").write_text(text)
    with pytest.raises(NoConnection, match=sentence) as raised:
        await find_connection(context)
    assert "\n" not in str(raised.value)


async def test_a_client_without_a_connection_says_the_same():
    with pytest.raises(KubeError, match="there is no kubeconfig") as raised:
        async with Kube("skerry"):
            pass
    assert (raised.value.status, raised.value.reason) == (0, "NoConnection")
