"""What was switched on in one namespace.

Two switches that are off by default allow ephemeral containers: a grant of the chart, and a label of the namespace.
"""

from __future__ import annotations

import msgspec

from skerry.worlds.kubernetes.names import ALLOW_INJECTOR_LABEL


class OptIns(msgspec.Struct, frozen=True):
    """What was switched on by those who may."""

    grant: bool
    """The operator may patch pods/ephemeralcontainers."""
    label: bool
    """The namespace allows it."""
    hold: bool = False
    """The brokers' pods have the init container that can keep them down."""
    prometheus: bool = False
    """The document names one."""
    namespace: str = ""
    """For the sentence; empty: not known."""

    @property
    def injector(self) -> bool:
        return self.grant and self.label

    @property
    def missing(self) -> str:
        """What to switch on; empty: nothing."""
        wanted = []
        if not self.grant:
            wanted.append("the chart's value `injector.enabled=true`")
        if not self.label:
            where = f"namespace {self.namespace}" if self.namespace else "the namespace"
            wanted.append(f'the label `{ALLOW_INJECTOR_LABEL}: "true"` of {where}')
        return " and ".join(wanted)
