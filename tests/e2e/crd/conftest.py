"""The test cluster with our CRD. Lets the tests here import the helper modules beside them."""

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from crd_kubectl import Kubectl

CRD_FILE = Path(__file__).parents[3] / "crds" / "chaosexperiments.yaml"


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    """In a namespace of its own, which nobody has enabled: no operator looks at what is created there."""
    try:
        kubectl = Kubectl()
    except RuntimeError as error:
        pytest.fail(str(error), pytrace=False)
    kubectl.must("apply", "--server-side", "--force-conflicts", "--filename", str(CRD_FILE))
    kubectl.must("wait", "--for=condition=Established", "crd/chaosexperiments.skerry.dev", "--timeout=30s")
    kubectl.namespace = f"skerry-crd-{uuid.uuid4().hex[:8]}"
    kubectl.must("create", "namespace", kubectl.namespace)
    yield kubectl
    kubectl("delete", "namespace", kubectl.namespace, "--wait=false")
