"""Majorities. Every decision of the metadata quorum is one of the functions here, and nothing else counts votes.

Invariant 1: two majorities of one voter set share a voter.
Invariant 2: so do a majority of a set and one of the same set with one voter more or less (membership changes).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from skerry_broker.core.types import Voter


def majority(voter_count: int) -> int:
    """The smallest number of voters that is more than half; 1 for an empty set (nobody can reach it)."""
    return voter_count // 2 + 1


def agreed(values: Sequence[int]) -> int:
    """One value per voter (0: has not answered): the highest value that a majority has reached; 0 without voters."""
    count = len(values)
    if count == 3:  # by far the most common; a median without a sort
        a, b, c = values
        return max(min(a, b), min(max(a, b), c))
    if not count:
        return 0
    return sorted(values)[count - majority(count)]


def won(voters: Collection[Voter], votes: Mapping[Voter, bool]) -> bool:
    """Whether a majority of ``voters`` said yes. Votes of anybody else, and of another directory, do not count."""
    return sum(1 for voter in voters if votes.get(voter) is True) >= majority(len(voters))


def lost(voters: Collection[Voter], votes: Mapping[Voter, bool]) -> bool:
    """Whether so many said no that a majority of yes is impossible."""
    refused = sum(1 for voter in voters if votes.get(voter) is False)
    return len(voters) - refused < majority(len(voters))
