"""The page of properties is what the code says."""

from __future__ import annotations

from pathlib import Path

from skerry.checker.catalogue import markdown
from skerry.checker.models.log import PROPERTIES
from skerry.checker.models.register import PROPERTIES as REGISTER_PROPERTIES
from skerry.expectations.registry import EXPECTATIONS

PAGE = Path(__file__).parents[2] / "docs" / "properties.md"


def test_the_page_is_up_to_date():
    assert PAGE.read_text() == markdown(), "run: python -m skerry.checker.catalogue > docs/properties.md"


def test_everything_is_defined_and_named_once():
    for properties in (PROPERTIES, REGISTER_PROPERTIES):
        named = [*(rule.name for rule in properties), *EXPECTATIONS]
        assert len(set(named)) == len(named)
    for definition in (
        *(r.definition for r in (*PROPERTIES, *REGISTER_PROPERTIES)),
        *(r.definition for r in EXPECTATIONS.values()),
    ):
        assert len(definition) > 60
