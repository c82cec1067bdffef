"""`topicCreateRefused`: no metadata is written without the quorum."""

from __future__ import annotations

from typing import ClassVar

from skerry.experiment.expectations.base import ExpectationBody, Probed
from skerry.schema.base import PositiveDuration
from skerry.schema.selectors import Side


class TopicCreateRefused(ExpectationBody):
    """No topic creation that is sent to that side only succeeds, from `within` after the fault took effect until it
    ends."""

    probed: ClassVar[Probed] = Probed.METADATA
    by: Side
    within_ns: PositiveDuration = 1_500_000_000
    """Default 1500ms."""
