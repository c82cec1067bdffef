"""Moments of the API server, there and back."""

from __future__ import annotations

import pytest

from skerry.worlds.kubernetes.wall import wall_ns, wall_text


@pytest.mark.parametrize(
    ("text", "ns", "shown"),
    [
        ("2026-11-27T14:03:05Z", 1_795_788_185_000_000_000, "14:03:05Z"),
        ("2026-11-27T14:03:05.123456Z", 1_795_788_185_123_456_000, "14:03:05.123Z"),
        ("2026-11-27T15:03:05.000001+01:00", 1_795_788_185_000_001_000, "14:03:05.000Z"),
    ],
)
def test_moments(text, ns, shown):
    assert wall_ns(text) == ns
    assert wall_text(ns) == shown


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_moment_is_zero(nothing):
    assert wall_ns(nothing) == 0


@pytest.mark.parametrize("text", ["2026-11-27T14:03:05", "soon"])
def test_what_is_no_moment_of_the_api(text):
    with pytest.raises(ValueError, match=text):
        wall_ns(text)
