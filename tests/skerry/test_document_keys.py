"""Keys of a document are names, for every reader of YAML; and what one says that is not there."""

from __future__ import annotations

import pytest

from skerry.experiment import DocumentError, load_document

TEXT = """apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: keys}
spec:
  hypothesis: A key is a name.
  LINE
  faults:
  - {name: stop, duration: 1s, pause: {target: {ordinal: 0}}}
"""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("on: 7", "spec: has the key `on`, which"),
        ("1: 7", "spec: has the key `1`, which"),
        ("~: 7", "spec: has the key `~`, which"),
        ("2026-01-01: 7", "spec: has the key `2026-01-01`, which"),
        ("<<: {seed: 7}", "spec: has the key `<<`, which"),
        (f"seed: {'7' * 5000}", "spec.seed: is a number of 5000 digits, and no number of an experiment is that long"),
    ],
)
def test_what_is_no_name_or_no_number_is_told_with_its_line(line, said):
    with pytest.raises(DocumentError) as caught:
        load_document(TEXT.replace("LINE", line), "x.yaml")
    (problem,) = str(caught.value).splitlines()
    assert problem.startswith(f"x.yaml:6: {said}")
    assert "`" not in said or problem.endswith(
        "not every reader of YAML takes for text; correct it, or put it in quotes"
    )


def test_a_key_in_quotes_is_a_name():
    metric = "expect: [{name: m, metric: {name: up, labels: {'on': x}, aggregate: Max, atMost: 1}}]"
    assert load_document(TEXT.replace("LINE", metric)).spec.expect[0].body.labels == {"on": "x"}


@pytest.mark.parametrize(
    ("workload", "change"),
    [
        ("{acks: Leader, idempotent: true}", "change one of them"),
        ("{acks: Leader}", "it is true unless it is said: write `idempotent: false`"),
    ],
)
def test_a_default_that_gets_in_the_way_is_told_as_one(workload, change):
    with pytest.raises(DocumentError) as caught:
        load_document(TEXT.replace("LINE", f"workload: {workload}"), "x.yaml")
    assert str(caught.value).endswith(f"`idempotent: true` needs `acks: All`, and acks is Leader; {change}")
