"""The targets that can be named in a document: built-in ones, one line each, and those of installed distributions.

A distribution adds a target by an entry point of the group `skerry.targets`: its name is the target's, its value the
module and the object, as in the lines below. Each is imported when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from skerry.targets.port import AnyRules, Target
from skerry.targets.word import Word

if TYPE_CHECKING:
    from skerry.experiment.document import Spec

GROUP = "skerry.targets"
DEFAULT = "skerry"

BUILT_IN = {
    "skerry": "skerry.targets.skerry.target:TARGET",
    "etcd": "skerry.targets.etcd.target:TARGET",
}


class UnknownTarget(KeyError):
    """No target has this name."""


@cache
def names() -> tuple[str, ...]:
    """All that there are, sorted."""
    return tuple(sorted({*BUILT_IN, *(each.name for each in entry_points(group=GROUP))}))


@cache
def target(name: str) -> Target:
    """Raises UnknownTarget: there is none of this name.

    Raises TypeError: what stands there is no target of this name.
    """
    place = BUILT_IN.get(name) or next((each.value for each in entry_points(group=GROUP, name=name)), None)
    if place is None:
        raise UnknownTarget(name)
    module, _, attribute = place.partition(":")
    found = getattr(import_module(module), attribute)
    if not isinstance(found, Target) or found.name != name:
        raise TypeError(f"{place} is not the target `{name}`: it must be a `skerry.targets.port.Target` of that name")
    return found


def roles() -> tuple[str, ...]:
    """The words that some target has for a role; those that all of them have come last."""
    found = {word: kind for name in names() for word, kind in target(name).roles.items()}
    return tuple(sorted(found, key=lambda word: found[word].everybody))


def planes() -> tuple[str, ...]:
    """The planes that a document for some target can name."""
    return tuple(dict.fromkeys(word for name in names() for word in target(name).planes_named))


def allowances() -> tuple[str, ...]:
    """What a document for some target can allow."""
    return tuple(dict.fromkeys(word for name in names() for word in target(name).allowances))


def roles_that(test: Callable[[Target, str], bool]) -> tuple[str, ...]:
    """The words of roles for which ``test`` holds in every target that has them."""
    known = [target(name) for name in names()]
    return tuple(word for word in roles() if all(test(each, word) for each in known if word in each.roles))


@cache
def words() -> Mapping[str, Word]:
    """The fields of `spec` that targets declare, by their attributes. Raises TypeError: two mean different things."""
    found: dict[str, Word] = {}
    for name in names():
        for attribute, word in target(name).declared.items():
            if found.setdefault(attribute, word).model is not word.model:
                both = f"{found[attribute].model} and {word.model}"
                raise TypeError(f"two targets mean different things by the field `{attribute}`: {both}")
    return found


def rules_of(spec: Spec) -> AnyRules:
    """The rules of the system that the document names."""
    return target(spec.target).rules(spec)
