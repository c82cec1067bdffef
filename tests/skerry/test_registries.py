"""What is known by a word: each word once, in the order of the lines."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from skerry.schema.registry import WordTaken, by_word


class Thing(NamedTuple):
    word: str
    number: int = 0


def known(*things: Thing) -> dict[str, Thing]:
    return by_word("skerry.tests.nothing-is-installed", things, lambda thing: thing.word)


def test_the_order_is_that_of_the_lines() -> None:
    assert list(known(Thing("slow"), Thing("kill"), Thing("cut"))) == ["slow", "kill", "cut"]


def test_a_word_that_is_taken_twice_is_refused_by_name() -> None:
    with pytest.raises(WordTaken, match="`kill` is taken twice in the group `skerry"):
        known(Thing("kill", 1), Thing("cut"), Thing("kill", 2))
