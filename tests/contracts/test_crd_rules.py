"""Every rule of the CRD has a bad example, and the models refuse it too.

That the API server refuses it with these words is shown by `tests/e2e/crd`, which needs one.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from bad_examples import (
    BAD,
    BAD_UPDATES,
    EXPERIMENTS,
    BadExample,
    rules_by_path,
    rules_hit_by,
    rules_without_example,
)

from skerry.experiment import DocumentError, load_document
from skerry.experiment.schema import crd

ROOT = Path(__file__).parents[2]
SCHEMA = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
RULES = rules_by_path(SCHEMA)


def names(example: object) -> str:
    return example.file.stem if isinstance(example, BadExample) else ""


def test_every_rule_has_a_bad_example() -> None:
    assert rules_without_example(SCHEMA, BAD, BAD_UPDATES) == set()


def test_a_rule_without_an_example_is_found() -> None:
    without = [example for example in BAD if "wait for each other" not in example.words]
    assert [rule.message for rule in rules_without_example(SCHEMA, without, BAD_UPDATES)] == [
        "the faults wait for each other, so none would ever begin"
    ]
    assert [rule.condition for rule in rules_without_example(SCHEMA, BAD, [])] == ["self == oldSelf"]


@pytest.mark.parametrize("example", [*BAD, *BAD_UPDATES], ids=names)
def test_an_example_means_one_rule_at_most(example: BadExample) -> None:
    assert len(rules_hit_by(example, RULES)) <= 1, "say more of the message: several rules have these words"


@pytest.mark.parametrize("example", BAD, ids=names)
def test_the_models_refuse_it_too_and_for_this_reason_alone(example: BadExample) -> None:
    with pytest.raises(DocumentError) as caught:
        load_document(example.text, example.file.name)
    assert len(caught.value.problems) == 1
    assert example.models in str(caught.value)


@pytest.mark.parametrize("example", BAD_UPDATES, ids=names)
def test_a_bad_update_would_be_a_good_experiment(example: BadExample) -> None:
    before = ROOT / example.models
    assert before in EXPERIMENTS
    assert load_document(example.text).name == load_document(before.read_text()).name


def test_messages_are_for_people() -> None:
    for path, rules in RULES.items():
        for rule in rules:
            assert len(rule.message.splitlines()) == 1, path
            assert "self." not in rule.message, path
            assert len(rule.message) <= 300, path
