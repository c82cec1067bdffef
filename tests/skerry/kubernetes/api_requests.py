"""How requests to an API server are read: paths, selectors, patches."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from aiohttp import web

Object = dict[str, Any]


def path_parts(path: str) -> tuple[str, str, str, str, str, str, str]:
    """Group, version, namespace, plural, name, subresource, and what comes behind it."""
    parts = path.split("/")
    group, version, rest = ("", parts[1], parts[2:]) if parts[0] == "api" else (parts[1], parts[2], parts[3:])
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource, *behind = [*rest, "", "", ""][: max(3, len(rest))]
    return group, version, namespace, plural, name, subresource, "/".join(behind)


def label_selector(request: web.Request) -> Callable[[Object], bool]:
    requirements = _requirements(request.query.get("labelSelector", ""))

    def takes(item: Object) -> bool:
        labels = item["metadata"].get("labels") or {}
        return all(holds(labels) for holds in requirements)

    return takes


def _requirements(text: str) -> list[Callable[[dict[str, str]], bool]]:
    """`a=b`, `a!=b`, `a`, `!a`, `a in (b,c)`, `a notin (b,c)`, separated by commas."""
    found: list[Callable[[dict[str, str]], bool]] = []
    for part in _split(text):
        if " in " in part or " notin " in part:
            key, word, listed = part.split(" ", 2)
            values = {value.strip() for value in listed.strip("() ").split(",")}
            if word == "in":
                found.append(lambda labels, key=key, values=values: labels.get(key) in values)
            else:
                found.append(lambda labels, key=key, values=values: labels.get(key) not in values)
        elif "!=" in part:
            key, value = part.split("!=")
            found.append(lambda labels, key=key, value=value: labels.get(key) != value)
        elif "=" in part:
            key, value = part.replace("==", "=").split("=")
            found.append(lambda labels, key=key, value=value: labels.get(key) == value)
        elif part.startswith("!"):
            found.append(lambda labels, key=part[1:]: key not in labels)
        else:
            found.append(lambda labels, key=part: key in labels)
    return found


def field_selector(request: web.Request) -> Callable[[Object], bool]:
    wanted = [part.split("=") for part in request.query.get("fieldSelector", "").split(",") if part]

    def value(item: Any, path: str) -> Any:
        for part in path.split("."):
            item = (item or {}).get(part)
        return item

    return lambda item: all(value(item, path) == expected for path, expected in wanted)


def _split(text: str) -> list[str]:
    """At the commas outside of parentheses."""
    parts, depth = [""], 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def merge(before: Any, patch: Any, strategic: bool) -> Any:
    if isinstance(before, dict) and isinstance(patch, dict):
        merged = copy.deepcopy(before)
        for field, value in patch.items():
            if value is None:
                merged.pop(field, None)
            else:
                merged[field] = merge(merged.get(field), value, strategic)
        return merged
    if isinstance(patch, dict):
        return merge({}, patch, strategic)
    named = strategic and isinstance(patch, list) and all(isinstance(each, dict) and "name" in each for each in patch)
    if named and isinstance(before, list):
        by_name = {each["name"]: each for each in before}
        for each in patch:
            by_name[each["name"]] = merge(by_name.get(each["name"]), each, strategic)
        return list(by_name.values())
    return copy.deepcopy(patch)
